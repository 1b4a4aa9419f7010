# The servers that are measured: how each is had, configured and started. Sourced by benches/compare/run.
#
# All alike: one listener on UDP, one user with long-term credentials, as many threads for packets as there are cores,
# nothing logged, no TLS, no quota, no limit of rate or bandwidth, private peers allowed.
#
# Each server NAME has: have_NAME (gets or builds it, or says why not and fails), version_NAME, start_NAME (in the server's
# namespace, in the background) and a port of its own in port_of.

realm=example.org
user=ann
password=opensesame
turn_rs_version=4.1.5

declare -A port_of=([tern]=3478 [coturn]=3479 [turn-crate]=3480 [turn-rs]=3481)
declare -A title_of=([tern]=Tern [coturn]=coturn [turn-crate]="\`turn\` crate" [turn-rs]=turn-rs)

# What a server cannot serve; write_table says why.
cannot() { # SERVER ROW
  case $1:$2 in
    turn-rs:relayed-*) return 1 ;;
    turn-rs:*) echo "no¹" ;;
    *) return 1 ;;
  esac
}

# in_server COMMAND...: becomes the program itself, so that $! is the server; it ends with this script in any case.
in_server() { exec nsenter --net="/proc/$server_ns/ns/net" setpriv --pdeathsig KILL "$@"; }

have_tern() { [[ -x $bin/tern ]]; }
version_tern() { "$bin/tern" --version | awk '{ print $2 }'; }
start_tern() {
  local line
  line=$(printf '%s\n' "$password" | "$bin/tern" credentials new --password --user "$user" --realm "$realm")
  (umask 077 && printf '%s\n' "$line" >"$scratch/users")
  cat >"$scratch/tern.toml" <<TOML
[server]
workers = $cores
[[listener]]
address = "$server_ip:${port_of[tern]}"
transports = ["udp"]
[relay]
addresses = ["$server_ip"]
ports = "20000-34999"
[auth]
realm = "$realm"
users_file = "users"
[limits]
max_allocations_per_user = 0
allocation_rate = 0
answer_rate = 0
[peers]
allow = ["$network"]
[log]
level = "error"
TOML
  in_server "$bin/tern" run --config "$scratch/tern.toml" &
}

have_coturn() {
  command -v turnserver >/dev/null && return
  ((EUID == 0)) && command -v apt-get >/dev/null || { echo "coturn is not installed"; return 1; }
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends coturn >&2
}
version_coturn() { turnserver --version | tail -1; }
start_coturn() {
  in_server turnserver -n --listening-ip="$server_ip" --listening-port="${port_of[coturn]}" --relay-ip="$server_ip" \
    --min-port=35000 --max-port=49999 --relay-threads="$cores" --lt-cred-mech --realm="$realm" --user="$user:$password" \
    --user-quota=0 --total-quota=0 --max-bps=0 --bps-capacity=0 --no-tls --no-dtls --no-tcp --no-tcp-relay --no-cli \
    --no-rfc5780 --no-stdout-log --log-file=/dev/null --simple-log --pidfile="$scratch/coturn.pid" \
    --userdb="$scratch/coturn.db" &
}

have_turn-crate() {
  cargo build -q --release --locked --manifest-path "$here/turn-crate/Cargo.toml" --target-dir "$built/build"
}
version_turn-crate() { sed -n '/^name = "turn"$/{n;s/version = "\(.*\)"/\1/p}' "$here/turn-crate/Cargo.lock"; }
start_turn-crate() {
  in_server "$built/build/release/turn-crate-server" "$server_ip:${port_of[turn-crate]}" "$realm" "$user" "$password" "$cores" &
}

have_turn-rs() {
  local program=$built/bin/turn-server
  [[ -x $program && $("$program" --version) == *" $turn_rs_version" ]] ||
    cargo install -q --locked --root "$built" --target-dir "$built/build" --no-default-features --features udp \
      "turn-server@$turn_rs_version" >&2
}
version_turn-rs() { echo "$turn_rs_version"; }
start_turn-rs() {
  cat >"$scratch/turn-rs.toml" <<TOML
[server]
realm = "$realm"
max-threads = $cores
[[server.interfaces]]
transport = "udp"
listen = "$server_ip:${port_of[turn-rs]}"
external = "$server_ip:${port_of[turn-rs]}"
idle-timeout = 600
[log]
level = "error"
stdout = false
[auth.static-credentials]
$user = "$password"
TOML
  in_server "$built/bin/turn-server" --config="$scratch/turn-rs.toml" &
}
