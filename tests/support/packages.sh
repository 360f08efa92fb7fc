# shellcheck shell=bash
# Sourced by gateway/demo and tests/run: the one place that installs packages.

# Prints the names in conf/packages.txt that are not installed. One look at dpkg's database, so that
# it costs nothing when there are none.
missing_packages() {
  local names name installed
  names=$(sed -e 's/#.*//' "$1")
  # shellcheck disable=SC2086  # one argument a name
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $names 2>/dev/null |
    sed -n 's/^installed //p')
  for name in $names; do
    [[ $'\n'$installed$'\n' == *$'\n'"$name"$'\n'* ]] || printf '%s ' "$name"
  done
}

# install_packages ROOT: installs what conf/packages.txt names and this machine lacks, as root or
# through sudo, and says what it does. Fails with one line that says what to do by hand.
install_packages() {
  local missing as_root=()
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian: provide what $1/conf/packages.txt names; going on without a look." >&2
    return 0
  fi
  missing=$(missing_packages "$1/conf/packages.txt")
  [[ -n $missing ]] || return 0
  if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null; then
      echo "Packages are missing and there is neither root nor sudo. As root: apt-get install $missing" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "Installing packages: $missing"
  # SYSTEMD_OFFLINE: installing mosquitto must not start a broker of the system's. Ours run on
  # ports and with configurations of their own.
  as_root+=(env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1)
  local apt=(apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  # shellcheck disable=SC2086  # one argument a name
  if ! "${as_root[@]}" "${apt[@]}" update ||
    ! "${as_root[@]}" "${apt[@]}" install -y --no-install-recommends $missing; then
    echo "apt-get failed; what is still missing: $(missing_packages "$1/conf/packages.txt")" >&2
    return 1
  fi
}
