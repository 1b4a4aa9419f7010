#!/bin/bash
# What the other scripts share: what this machine is, and how it asks its cloud.
# shellcheck shell=bash

# shellcheck source=/dev/null
. /etc/tern/deploy.env
# A member of a group has taken a slot by now, and has that slot's parameters.
if [[ -r /run/tern-slot/env ]]; then
  # shellcheck source=/dev/null
  . /run/tern-slot/env
fi
export AWS_DEFAULT_REGION=${TERN_LOCATION:?} AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8
google=http://metadata.google.internal/computeMetadata/v1/instance

fail() {
  echo "$*" >&2
  exit 1
}

# imds PATH: the instance metadata service of AWS, version 2.
imds() {
  local token
  token=$(curl -sf -m 5 --retry 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
  curl -sf -m 5 --retry 5 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}

# parameter NAME: config, secrets or network of this relay.
parameter() {
  case $TERN_CLOUD in
    aws) aws ssm get-parameter --name "$TERN_PARAMETERS/$1" --query Parameter.Value --output text ;;
    gcp) curl -sf -m 5 --retry 5 -H 'Metadata-Flavor: Google' "$google/attributes/tern-$1" ;;
  esac
}

# secret REFERENCE: its newest version. No secret and no token becomes an argument, which every user could see.
secret() {
  case $TERN_CLOUD in
    aws) aws secretsmanager get-secret-value --secret-id "$1" --query SecretString --output text ;;
    gcp)
      local token
      token=$(curl -sf -m 5 --retry 5 -H 'Metadata-Flavor: Google' "$google/service-accounts/default/token" | jq -er .access_token)
      curl -sf -m 10 --retry 5 -K - "https://secretmanager.googleapis.com/v1/$1/versions/latest:access" \
        <<<"header = \"Authorization: Bearer $token\"" | jq -er .payload.data | base64 -d
      ;;
  esac
}
