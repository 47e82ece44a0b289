#!/bin/sh
# mkiso.sh ELF INITRD OUT ARGS - an ISO that GRUB boots on BIOS and UEFI, straight into the kernel with ARGS.
set -eu
elf=$1 initrd=$2 out=$3 args=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir" "$dir.log"' EXIT
mkdir -p "$dir/boot/grub"
cp "$elf" "$dir/boot/quire.elf"
cp "$initrd" "$dir/boot/initrd.cpio"
cat > "$dir/boot/grub/grub.cfg" <<END
set timeout=0
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
insmod all_video
menuentry 'Quire' {
	echo 'GRUB: loading Quire'
	multiboot2 /boot/quire.elf $args
	module2 /boot/initrd.cpio initrd
	boot
}
END
grub-file --is-x86-multiboot2 "$elf" || { echo "$elf has no Multiboot2 header" >&2; exit 1; }
# Only the modules that are used: a small ISO is made and read faster.
if ! grub-mkrescue -o "$out" --fonts= --locales= --themes= --install-modules='multiboot2 normal serial terminal echo
	iso9660 fat all_video part_msdos part_gpt part_acorn part_amiga part_bsd part_dfly part_dvh part_plan part_sun
	part_sunpc' "$dir" > "$dir.log" 2>&1; then
	cat "$dir.log" >&2
	exit 1
fi
