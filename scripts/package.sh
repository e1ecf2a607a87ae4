#!/usr/bin/env bash
# Builds the packages: a tar file, a Debian package if cargo-deb is installed, and a container image if a docker daemon
# answers. Everything is in target/packages. PROFILE=release builds faster.
set -euo pipefail
cd "$(dirname "$0")/.."

profile="${PROFILE:-dist}"
target="${CARGO_TARGET_DIR:-target}"
built="$target/$profile"
out="$target/packages"
version=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)

cargo build --locked --profile "$profile" --features cloud --bin stockhold

# What is generated from the description of the commands.
rm -rf "$out/generated"
mkdir -p "$out/generated/man" "$out/generated/completions"
"$built/stockhold" man --out "$out/generated/man" >/dev/null
for shell in bash zsh fish; do
  "$built/stockhold" completions "$shell" >"$out/generated/completions/stockhold.$shell"
done

name="stockhold-$version-$(uname -m)-linux"
tree="$out/$name"
rm -rf "$tree"
install -D "$built/stockhold" "$tree/bin/stockhold"
mkdir -p "$tree/share/man/man1" "$tree/share/stockhold"
cp "$out"/generated/man/*.1 "$tree/share/man/man1/"
cp -r "$out/generated/completions" packaging/stockhold.service packaging/stockhold.sysusers packaging/stockhold.toml "$tree/share/stockhold/"
cp LICENSE README.md CHANGELOG.md docs/operations.md docs/cli.md "$tree/"
tar -C "$out" -czf "$out/$name.tar.gz" "$name"
rm -rf "$tree"
echo "$out/$name.tar.gz"

if command -v cargo-deb >/dev/null; then
  # The assets are named relative to the default target directory.
  [ "$target" = target ] || { mkdir -p target/packages && cp -r "$out/generated" target/packages/; }
  cargo deb --no-build --profile "$profile" --output "$out/"
else
  echo "no Debian package: run \`cargo install cargo-deb --locked\` first" >&2
fi

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  docker build -t "stockhold:$version" .
else
  echo "no container image: there is no docker daemon" >&2
fi
