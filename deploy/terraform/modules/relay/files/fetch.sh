#!/bin/bash
# Brings configuration and secrets: before the relay starts, and every few minutes. What `tern check` refuses is not taken, and
# the relay goes on with what it has. New certificates it reads by itself; for everything else it is told to reload.
set -euo pipefail
# shellcheck source=common.sh
. /usr/local/lib/tern/common

home=/etc/tern
group=$(getent group tern >/dev/null && echo tern || echo root)
umask 077
new=$(mktemp -d "$home/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT

first=
[[ -e $home/tern.toml ]] || first=yes

# Without any configuration there is nothing to go on with.
until parameter config >"$new/tern.toml" && parameter secrets >"$new/secrets.list" && parameter network >"$new/network.list"; do
  [[ -n $first ]] || fail "the cloud does not say what this relay is to do"
  sleep 15
done
while read -r file reference; do
  [[ -n $file ]] || continue
  [[ $file =~ ^[A-Za-z0-9][A-Za-z0-9_.-]*$ ]] || fail "no name of a file: $file"
  until secret "$reference" >"$new/$file"; do
    [[ -n $first ]] || fail "$file: the secret store does not give $reference"
    sleep 15
  done
done <"$new/secrets.list"
tern check --config "$new/tern.toml" >"$new/.said" 2>&1 || {
  cat "$new/.said" >&2
  fail "what was fetched is no good configuration: nothing is taken of it"
}
rm "$new/.said"

changed=() gone=()
for path in "$new"/*; do
  file=${path##*/}
  if ! cmp -s "$path" "$home/$file"; then
    changed+=("$file")
    chgrp "$group" "$path"
    chmod 0640 "$path"
  fi
done
# What is no longer named goes after the reload: until then the relay may still look for it.
if [[ -r $home/secrets.list ]]; then
  while read -r file _; do
    if [[ -n $file && ! -e $new/$file ]]; then gone+=("$file"); fi
  done <"$home/secrets.list"
fi
for file in "${changed[@]}"; do mv "$new/$file" "$home/$file"; done

if systemctl is-active --quiet tern.service; then
  for file in "${changed[@]}"; do
    case $file in
      *.pem | network.list) ;;
      *)
        tern reload
        break
        ;;
    esac
  done
fi
for file in "${gone[@]}"; do rm -f "$home/$file"; done
echo "changed: ${changed[*]:-nothing}"
