# Writes what was measured as Markdown. Sourced by benches/compare/run.

# figure RESULT FIGURE LABEL: one line. Servers' cells: how many times better the first server is, its spread over the rounds, the
# server's own median.
figure() {
  local result=$1 name cells='' files=("$results/$1".json "$results/$1".[0-9]*.json) found=()
  for name in "${files[@]}"; do [[ -f $name ]] && found+=("$name"); done
  for name in "${servers[@]}"; do
    local why
    why=$(cat "$results/$result.$name.not" "$results/$result".[0-9]*."$name.not" 2>/dev/null | head -1) || true
    if [[ $why ]]; then cells+=" $why |"; continue; fi
    ((${#found[@]})) || { cells+=" – |"; continue; }
    cells+=" $(jq -rs --arg server "$name" --arg figure "$2" -f "$here/cell.jq" "${found[@]}") |"
  done
  echo "| $3 |$cells"
}

growth_line() {
  local counts n cells=() base='' value
  counts=$(cd "$results" && printf '%s\n' growth.*.1.json | cut -d. -f2 | sort -n)
  for n in $counts; do
    value=$(jq -rs '[.[].result.window.cpu.ns_per_packet] | sort | .[length / 2 | floor] // empty' "$results/growth.$n".*.json)
    base=${base:-$value}
    cells+=("$n: $(awk -v a="$value" -v b="$base" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "–" }')")
  done
  local joined
  printf -v joined '%s; ' "${cells[@]}"
  echo
  echo "CPU per packet of ${title_of[${servers[0]}]} as sessions grow, packets per second staying the same, 1 session being 1: ${joined%; }."
}

line_of() { # ROW
  case $1 in
    voice-100) media_lines "$1" "160 B, 100 sessions" ;;
    voice-1000) media_lines "$1" "160 B, 1,000 sessions" ;;
    video-100) media_lines "$1" "1,200 B in bursts of 8, 100 sessions" ;;
    relayed-1000)
      figure "$1" "server CPU per packet" "160 B, 1,000 sessions, client to client through two relayed addresses: CPU per packet"
      ;;
    latency-200)
      local of="latency, 200 sessions with 50 packets/s"
      figure "$1" p50 "$of: p50"
      figure "$1" p99 "$of: p99"
      figure "$1" p99.9 "$of: p99.9"
      ;;
    storm-32)
      figure "$1" cycles "401, Allocate, ChannelBind, delete: cycles/s, 32 in flight"
      figure "$1" "server CPU per cycle" "the same: CPU per cycle, the process"
      ;;
    idle)
      figure "$1" "process, per allocation" "memory of an idle allocation with a channel: process"
      figure "$1" "together, per allocation" "the same, with the kernel's"
      ;;
  esac
}

media_lines() { # ROW WORDS
  figure "$1.knee" knee "$2: packets/s at the knee (loss < 0.1 %)"
  figure "$1.knee" "server CPU per packet" "$2: CPU per packet at the knee, the process"
  figure "$1.knee" "with soft interrupts" "$2: the same, with the machine's soft interrupts"
  figure "$1" "server CPU per packet" "$2: CPU per packet at 40,000 packets/s, the process"
}

write_table() {
  local name row any
  any=$(find "$results" -name '*.json' | head -1)
  printf '%s, %s on %s processors (%s).\n' "$(date -u +%F)" "$(jq -r .machine.system "$any")" "$cores" \
    "$(jq -r .machine.processor "$any")"
  local joined
  printf -v joined '%s, ' "${versions[@]}"
  printf '%s%s.\n\n' "${quick:+**Quick: these figures mean nothing.** }" "${joined%, }"
  printf 'Each cell: how many times better %s is (lowest and highest of the rounds); the server'"'"'s own median.\n\n' "${title_of[${servers[0]}]}"
  printf '|' && printf ' %s |' "" && for name in "${servers[@]}"; do printf ' %s |' "${title_of[$name]}"; done && echo
  printf '|---|' && for name in "${servers[@]}"; do printf -- '---|'; done && echo
  for row in "${rows[@]}"; do line_of "$row"; done
  if grep -qs '¹' "$results"/*.not; then
    printf '\n¹ Its relayed ports are virtual: only other clients of the same server can be peers.\n'
  fi
  if compgen -G "$results/growth.*" >/dev/null; then growth_line; fi
  cat <<TEXT

Method: \`benches/compare/run --rounds $rounds --duration $duration\`. Clients, servers and peers in three network namespaces joined
by veth, GRO on, MTU 1500, generator and servers on the same processors. UDP, channels, both directions at once, one user with long-term
credentials, as many relay threads as processors, logs, quotas and limits off. In each round every server is measured once, in
turn; a ratio is that of two servers in the same round, the cell has the median. CPU per packet from the scheduler's account of the
server's process, at each server's own knee, or at 40,000 packets/s in all (latency: 20,000).
TEXT
}
