# What a section of a document is carried out in: a host of its own, on which a relay runs as the documents describe it.
# Programs are the real ones. What would last for hours is made short, and what asks a person is answered.
#
#   bash sandbox.sh PROGRAMS CHECKOUT STANDING < SECTION
#
# STANDING is 1 if a relay is to run already.
set -euo pipefail
programs=$1 checkout=$2 standing=$3
section=$(cat)

# A machine's folders, as copies that go with this host.
machine=$(mktemp -d)
mount -t tmpfs tmpfs "$machine"
cp -a /etc "$machine/etc"
mkdir -p "$machine/desk" "$machine/etc/tern" "$machine/home"
cd "$checkout"
cp -r --parents ./*.md tern.example.toml docs certs deploy "$machine/desk"
mount --bind "$machine/etc" /etc
mount -t tmpfs tmpfs /run
mkdir /run/tern
export HOME=$machine/home TMPDIR=$machine PATH=$programs:$PATH
cd "$machine/desk"
umask 022
echo "127.0.0.1 turn.example.org localhost" >/etc/hosts
ip address add 192.0.2.10/32 dev lo
touch calls.json

secret() { (umask 077 && openssl rand -hex 32 >"$1"); }

stand() {
  ip address replace 10.99.0.1/32 dev lo
  secret /etc/tern/rest.secret
  secret /etc/tern/bgp.password
  secret /etc/tern/night-shift.token
  cp /etc/tern/rest.secret rest.secret
  cp /etc/tern/night-shift.token night-shift.token
  (umask 077 && printf 'good-password\n' |
    "$programs/tern" credentials new --password --user alice --realm example.org >/etc/tern/users)
  "$programs/tern" certs dev "$machine/authority" --name turn.example.org >/dev/null
  cp "$machine/authority/cert.pem" "$machine/authority/key.pem" /etc/tern/
  cat "$machine/authority/ca.pem" >>/etc/ssl/certs/ca-certificates.crt
  cat >/etc/tern/tern.toml <<END
[server]
name = "relay-a"
[[listener]]
address = "0.0.0.0:3478"
[[listener]]
address = "0.0.0.0:5349"
transports = ["tls", "dtls"]
certificate_file = "cert.pem"
key_file = "key.pem"
[relay]
addresses = ["192.0.2.10"]
[auth]
realm = "example.org"
users_file = "users"
[quality]
records = "$machine/desk/calls.json"
[announce]
prefixes = ["10.99.0.1/32"]
[bgp]
asn = 64512
router_id = "192.0.2.10"
[[bgp.neighbor]]
name = "cloud-a"
address = "192.0.2.1"
asn = 64600
password_file = "bgp.password"
[admin]
listen = ["127.0.0.1:9480"]
[[admin.token]]
id = "night-shift"
role = "operator"
token_file = "night-shift.token"
[metrics]
address = "127.0.0.1:9478"
[log]
format = "json"
[[auth.shared_secret]]
id = "rest"
secret_file = "rest.secret"
END
  "$programs/tern" run --config /etc/tern/tern.toml 2>tern.log &
  listening $!
  # A call, so that there is something to see.
  "$programs/tern" probe turn:127.0.0.1 --username alice --secret-file /etc/tern/rest.secret --seconds 240 >call.log 2>&1 &
  local try
  for try in {1..600}; do
    call=$("$programs/tern" sessions list alice --json | jq -r '.sessions[0].id // empty')
    [[ -z $call ]] || return 0
    sleep 0.1
  done
  echo "no call on the relay" >&2
  cat call.log tern.log >&2
  return 1
}

# Waits until a process has a socket of UDP.
listening() {
  local try
  for try in {1..600}; do
    # Not grep -q: it ends early, and ss then fails for want of a reader.
    [[ -z $(ss -Hlunp | grep "pid=$1," || true) ]] || return 0
    kill -0 "$1" || return 1
    sleep 0.1
  done
  echo "process $1 does not listen" >&2
  return 1
}

# Ends by itself, or is ended after a moment.
briefly() { timeout 3 "$@" || (($? == 124)); }

tern() {
  local arguments=() argument
  for argument; do
    case $argument in
      ID) argument=$call ;;
      2h) argument=1s ;;
    esac
    arguments+=("$argument")
  done
  set -- "${arguments[@]}"
  case " $* " in
    " run "*)
      ((BASH_SUBSHELL)) && exec "$programs/tern" "$@"
      "$programs/tern" "$@" 2>>tern.log &
      listening $!
      ;;
    " top "*) briefly script -qec "$programs/tern $*" /dev/null ;;
    *" --watch"*) briefly "$programs/tern" "$@" ;;
    # It has looked, which is what was asked for.
    " doctor "*) "$programs/tern" "$@" || (($? == 1)) ;;
    # The time was over before all had gone, or the credential is of another day: said so, as it should.
    " drain "*) "$programs/tern" "$@" || (($? == 75)) ;;
    " credentials verify "*) "$programs/tern" "$@" || (($? == 1)) ;;
    *" --password "* | " probe "*) printf 'good-password\n' | "$programs/tern" "$@" ;;
    *) "$programs/tern" "$@" ;;
  esac
}

tern-loadtest() {
  local arguments=() former= argument try
  for argument; do
    case $former in
      --duration) argument=1s ;;
      --sessions) ((argument <= 10)) || argument=10 ;;
      --rounds) argument=1 ;;
    esac
    arguments+=("$argument")
    former=$argument
  done
  for try in {1..100}; do
    [[ -z $(ss -Hlun 'sport = :3478') ]] || break
    sleep 0.1
  done
  "$programs/tern-loadtest" "${arguments[@]}"
}

curl() {
  case " $* " in
    *" -N "*) briefly /usr/bin/curl --fail-with-body -sS "$@" ;;
    *) /usr/bin/curl --fail-with-body -sS "$@" ;;
  esac
}

# The address may be there already.
ip() { if [[ "$1 $2" == "address add" ]]; then command ip address replace "${@:3}"; else command ip "$@"; fi; }

# The programs are built.
cargo() { :; }

call=
((!standing)) || stand
set -E
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
eval "$section"
