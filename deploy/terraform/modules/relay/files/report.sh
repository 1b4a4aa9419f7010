#!/bin/bash
# Tells CloudWatch once a minute how the relay stands, for alarms and for the group's size: figures of `tern status`, and what
# the instance's own limits have dropped. Everything else is Prometheus' business.
set -euo pipefail
# shellcheck source=common.sh
. /usr/local/lib/tern/common

status=$(tern status --json 2>/dev/null || echo '{}')
state=/run/tern-report
mkdir -p "$state"

# Since the last time, summed over interfaces; the first time nothing.
declare -A dropped
for name in bw_in_allowance_exceeded bw_out_allowance_exceeded conntrack_allowance_exceeded pps_allowance_exceeded; do
  now=0
  for device in /sys/class/net/e*; do
    count=$(ethtool -S "${device##*/}" 2>/dev/null | awk -v name="$name:" '$1 == name { print $2 }')
    now=$((now + ${count:-0}))
  done
  before=$(cat "$state/$name" 2>/dev/null || echo "$now")
  echo "$now" >"$state/$name"
  dropped[$name]=$((now > before ? now - before : 0))
done

# One figure for the relay, and the same for its region.
jq -n --argjson status "$status" --arg fleet "$TERN_FLEET" --arg region "$TERN_LOCATION" \
  --arg relay "$(jq -r '.name // empty' <<<"$status")" --arg host "$(hostname)" \
  --argjson bandwidth $((dropped[bw_in_allowance_exceeded] + dropped[bw_out_allowance_exceeded])) \
  --argjson tracking "${dropped[conntrack_allowance_exceeded]}" --argjson packets "${dropped[pps_allowance_exceeded]}" '
  ([$status.capacity // {} | (.sessions, .bits_per_second, .packets_per_second, .ports) | .free_share? | numbers] | min) as $free |
  [ {MetricName: "Ready", Value: (if $status.ready == true then 1 else 0 end)},
    {MetricName: "Sessions", Value: ($status.sessions.total // 0)},
    {MetricName: "UsedPercent", Unit: "Percent", Value: (100 * (1 - ($free // 1)))},
    {MetricName: "BandwidthExceeded", Unit: "Count", Value: $bandwidth},
    {MetricName: "TrackingExceeded", Unit: "Count", Value: $tracking},
    {MetricName: "PacketsExceeded", Unit: "Count", Value: $packets} ]
  | [.[] as $figure
     | ([{Name: "Fleet", Value: $fleet}, {Name: "Region", Value: $region}] as $of
        | ($of, $of + [{Name: "Relay", Value: (if $relay == "" then $host else $relay end)}])) as $dimensions
     | $figure + {Dimensions: $dimensions}]' >"$state/figures.json"
aws cloudwatch put-metric-data --namespace Tern --metric-data "file://$state/figures.json"
