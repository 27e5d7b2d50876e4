#!/usr/bin/env bash
# Makes gigaam/assets/packaged.lm from texts: recipes/language_model/rebuild.sh TEXT [TEXT …]
#
# Run it from the repository's root, with gigaam installed.
set -euo pipefail

apt-get install -y festvox-ru asterisk-core-sounds-ru
cleared=$(mktemp -d)
python -m recipes.language_model.prepare "$cleared" "$@"
gigaam lm "$cleared"/*.txt -o gigaam/assets/packaged.lm --order 3 --max-size 10MB
rm -r "$cleared"
