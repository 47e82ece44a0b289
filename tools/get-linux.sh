#!/bin/sh
# get-linux.sh DIR - unpack Debian's kernel image into DIR/vmlinuz, as the oracle of `make check-linux`.
# Needs apt and its network only the first time. Status 0 also when it cannot be had: then DIR/vmlinuz is not there.
set -u
dir=$1
[ -e "$dir/vmlinuz" ] && exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo 'check-linux: no apt here: skipped'; exit 0; }
mkdir -p "$dir" && cd "$dir" || exit 1
package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
if [ -z "$package" ] || ! apt-get download -q "$package" 2>/dev/null; then
	echo "check-linux: the package linux-image-cloud-amd64 cannot be had: skipped (apt-get update may help)"
	exit 0
fi
dpkg -x ./"$package"_*.deb image && mv image/boot/vmlinuz-* vmlinuz && rm -rf image ./*.deb
