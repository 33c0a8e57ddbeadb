# shellcheck shell=bash
# The AWS Encryption SDK for JavaScript, which tests hold our artifacts against: where node and npm are, and a way to npm's registry.
NODE_CLIENT=@aws-crypto/client-node@5.0.2
NODE_CLIENT_FOLDER=build/node

# It takes some seconds where there is a way to a registry; where there is none, npm's own patience is minutes.
try_node_client() {  # try_node_client PATTERN: of the tests that will run
  [[ keys.artifact_node =~ $1 ]] || return 0
  [[ ! -s $NODE_CLIENT_FOLDER/node_modules/@aws-crypto/client-node/package.json ]] || return 0
  command -v node >/dev/null && command -v npm >/dev/null || return 0
  mkdir -p "$NODE_CLIENT_FOLDER"
  try_logged node-client timeout 60 npm install --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 \
    --prefix "$NODE_CLIENT_FOLDER" "$NODE_CLIENT" \
    || say "there is no $NODE_CLIENT: npm can't fetch it; the test against it is skipped (build/logs/node-client.log)"
}
