#!/usr/bin/env bash
# Installs what `stockhold-loadtest compare` measures beside Stockhold: Debian's redis-server and PostgreSQL. The comparison starts its
# own servers in directories of its own, so no system service is started and no cluster is made here.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: scripts/install-peers.sh [redis] [postgres]
  Without arguments it installs both. What is there already is left as it is.
USAGE
}

postgres_is_there() {
  command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

peers=("$@")
if [ ${#peers[@]} -eq 0 ]; then
  peers=(redis postgres)
fi
packages=()
for peer in "${peers[@]}"; do
  case $peer in
    redis) command -v redis-server >/dev/null || packages+=(redis-server) ;;
    postgres) postgres_is_there || packages+=(postgresql) ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
if [ ${#packages[@]} -eq 0 ]; then
  echo "nothing to install"
  exit 0
fi
command -v apt-get >/dev/null || { echo "this is no Debian: install ${packages[*]} by other means" >&2; exit 1; }
if [ "$(id -u)" -ne 0 ]; then
  echo "installing packages takes root: sudo $0 ${peers[*]}" >&2
  exit 1
fi

# Packages ask this program whether they may start services: they may not. One that is there already is not touched.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
# Nor shall the package make a cluster.
if [[ " ${packages[*]} " == *" postgresql "* && ! -e /etc/postgresql-common/createcluster.conf ]]; then
  mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
