#!/usr/bin/env bash
# Puts what the service needs into dist/: its settings, and the program that serves them.
set -euo pipefail
mkdir -p dist
cp web.conf dist/web.conf
cat > dist/web <<WEB
#!/usr/bin/env bash
exec "$(command -v shipway)" demo-service --config "\$(dirname "\$0")/web.conf"
WEB
chmod +x dist/web
version=$(sed -n 's/^version=//p' web.conf)
echo "version=$version" >> "$GITHUB_OUTPUT"
echo "built $version"
