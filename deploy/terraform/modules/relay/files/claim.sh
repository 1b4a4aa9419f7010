#!/bin/bash
# Takes a free slot of the group: a network interface in this zone that has the relay's address, its elastic address and its
# sessions with the route server. Two machines may want the same one: only one of them can attach it, the other tries the next. Where
# all are taken, as while another machine drains, it waits for one.
set -euo pipefail
# shellcheck source=common.sh
. /usr/local/lib/tern/common

instance=$(imds instance-id)
zone=$(imds placement/availability-zone)
mkdir -p /run/tern-slot

describe() {
  aws ec2 describe-network-interfaces --output json --filters "Name=tag:tern-group,Values=$TERN_GROUP_TAG" "$@"
}

take() {
  local interfaces interface
  # The one that is already ours, after a restart of the machine; else those that are free.
  interfaces=$(describe "Name=attachment.instance-id,Values=$instance" | jq -r '.NetworkInterfaces[].NetworkInterfaceId')
  if [[ -n $interfaces ]]; then
    echo "$interfaces"
    return
  fi
  interfaces=$(describe "Name=availability-zone,Values=$zone" Name=status,Values=available |
    jq -r '.NetworkInterfaces[].NetworkInterfaceId' | shuf)
  for interface in $interfaces; do
    if aws ec2 attach-network-interface --network-interface-id "$interface" --instance-id "$instance" --device-index 1 \
      >/dev/null 2>&1; then
      echo "$interface"
      return
    fi
  done
  return 1
}

while true; do
  if interface=$(take); then
    details=$(describe "Name=network-interface-id,Values=$interface" | jq -e '.NetworkInterfaces[0]')
    aws ec2 modify-network-interface-attribute --network-interface-id "$interface" \
      --connection-tracking-specification TcpEstablishedTimeout=432000,UdpStreamTimeout=180,UdpTimeout=60
    if [[ $TERN_ENA_EXPRESS == true ]]; then
      aws ec2 modify-network-interface-attribute --network-interface-id "$interface" \
        --ena-srd-specification 'EnaSrdEnabled=true,EnaSrdUdpSpecification={EnaSrdUdpEnabled=true}'
    fi
    slot=$(jq -er '.TagSet[] | select(.Key == "tern-slot") | .Value' <<<"$details")
    [[ $slot =~ ^[0-9]+$ ]] || fail "$interface has no slot: $slot"
    # The path has the place of the slot's number in it.
    # shellcheck disable=SC2059
    printf "TERN_SLOT=%s\nTERN_SLOT_MAC=%s\nTERN_PARAMETERS=$TERN_PARAMETERS\n" \
      "$slot" "$(jq -er .MacAddress <<<"$details")" "$slot" >/run/tern-slot/env
    exit 0
  fi
  echo "no free slot of $TERN_GROUP_TAG in $zone yet" >&2
  sleep 10
done
