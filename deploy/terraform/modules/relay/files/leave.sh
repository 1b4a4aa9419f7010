#!/bin/bash
# Waits until the group wants this machine to go, empties the relay, and lets the group go on.
set -euo pipefail
# shellcheck source=common.sh
. /usr/local/lib/tern/common

instance=$(imds instance-id)
until [[ $(imds autoscaling/target-lifecycle-state || true) == Terminated ]]; do sleep 5; done

# Each heartbeat gives the group's timeout anew.
while sleep 300; do
  aws autoscaling record-lifecycle-action-heartbeat --auto-scaling-group-name "$TERN_GROUP" \
    --lifecycle-hook-name "$TERN_GROUP_HOOK" --instance-id "$instance" || true
done &
heartbeats=$!
trap 'kill "$heartbeats" 2>/dev/null || true' EXIT

# 75: the deadline has passed and calls are left. They end with the machine.
tern drain --force --deadline "$TERN_DRAIN_DEADLINE" --min-sessions 0 || echo "tern drain: exit code $?" >&2
systemctl stop tern.service
aws autoscaling complete-lifecycle-action --auto-scaling-group-name "$TERN_GROUP" \
  --lifecycle-hook-name "$TERN_GROUP_HOOK" --instance-id "$instance" --lifecycle-action-result CONTINUE
