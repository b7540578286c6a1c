#!/bin/sh
# Makes facilities/emergency.pdf of the handbook from emergency.html with headless Chromium.
set -eu
cd "$(dirname "$0")"
chromium --headless --no-sandbox --disable-gpu --no-pdf-header-footer \
  --print-to-pdf="$PWD/../handbook/facilities/emergency.pdf" "file://$PWD/emergency.html"
