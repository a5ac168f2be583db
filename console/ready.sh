# Builds the console where it is not built, or was built from other sources.
cd "$(dirname "$0")" || exit 1
if [ ! -e dist/index.html ] || [ -n "$(find src index.html vite.config.ts package.json -newer dist/index.html)" ]; then
  npm run --silent build
fi
