#!/usr/bin/env bash
# Relations on the handbook: grant on a folder, in a group, for a time; exclude somebody; revoke. Needs the embedding model
# (`strata model pull`) in STRATA_HOME; works in the collection `relations`, which nothing else uses.
set -euo pipefail
cd "$(dirname "$0")/../.."
STRATA="${STRATA:-.build/release/strata}"
say() { printf '\n$ strata %s\n' "$*"; "$STRATA" "$@" --collection relations; }

say ingest Examples/handbook
say access model Examples/relations/model.fga
say access list --as amara                                              # a model without grants: nobody reads anything
say access grant 'folder:/#viewer@group:staff#member' 'group:staff#member@group:engineering#member' \
  'group:engineering#member@user:amara' 'group:staff#member@user:lena'  # everything, for all staff
say access grant 'folder:people#blocked@user:amara'                     # but not this folder, for one of them
say access check document:people/salary-bands.csv --as amara
say access check document:people/salary-bands.csv --as lena
say access grant 'folder:company#viewer@user:guest' --with until --context 'end="2099-12-31T00:00:00Z"'
say access list --as guest
say access list document:people/salary-bands.csv                         # who reads it
say access revoke 'group:staff#member@user:lena'
say access check document:people/salary-bands.csv --as lena              # gone, for every search that begins now
say access list --tuples
say access model --remove                                               # back to .strata-acl.yaml
