#!/bin/bash
# Puts the announced addresses on the loopback interface and sets what the kernel needs, before the relay starts.
set -euo pipefail
# shellcheck source=common.sh
. /usr/local/lib/tern/common

tern doctor --sysctl >/etc/sysctl.d/60-tern.conf
sysctl -q --system

{
  read -r own
  while read -r prefix; do
    if [[ -n $prefix ]]; then ip address replace "$prefix" dev lo; fi
  done
} </etc/tern/network.list

# A member of a group has its own address on a second interface: what comes from there, or from an announced address, leaves there.
if [[ -n ${TERN_SLOT_MAC:-} ]]; then
  device=$(ip -json link | jq -er --arg mac "$TERN_SLOT_MAC" '.[] | select(.address == $mac) | .ifname')
  subnet=$(imds "network/interfaces/macs/$TERN_SLOT_MAC/subnet-ipv4-cidr-block")
  # The second address of a subnet is its router.
  base=${subnet%/*}
  router=${base%.*}.$((${base##*.} + 1))
  ip link set "$device" up
  ip address replace "$own/${subnet#*/}" dev "$device" noprefixroute
  ip route replace "$subnet" dev "$device" src "$own" table 100
  ip route replace default via "$router" dev "$device" src "$own" table 100
  while ip rule del table 100 2>/dev/null; do :; done
  ip rule add from "$own" table 100 priority 100
  while read -r prefix; do
    if [[ -n $prefix ]]; then ip rule add from "$prefix" table 100 priority 101; fi
  done < <(tail -n +2 /etc/tern/network.list)
  # Packets to the announced address come in where the kernel would not look for their source.
  sysctl -q -w "net.ipv4.conf.$device.rp_filter=2"
fi
