"""What the guest does when it starts: a script for busybox' shell.

modules ──▶ disk, interface ──▶ DHCP ──▶ metadata (by HTTP, else from the config drive) ──▶ APUS-GUEST READY
──▶ a shell
"""

from __future__ import annotations

# What the guest needs of the kernel; what the kernel has built in is passed over.
MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "virtio_balloon"),
    *("vfat", "nls_cp437", "nls_ascii", "nls_utf8", "ahci", "sd_mod", "sr_mod", "isofs"),
    *("button", "evdev", "pciehp", "shpchp"),
)

SCRIPT = r"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules.order); do insmod /modules/$module 2>/dev/null; done
say() { echo "APUS-GUEST $*"; }
say BOOTING $(cut -d' ' -f1 /proc/uptime)

mkdir -p /etc/acpi /disk /drive
printf '#!/bin/sh\numount /disk\nsync\npoweroff -f\n' > /etc/acpi/power
chmod 755 /etc/acpi/power
mkdir -p /etc/acpi/PWRF && cp /etc/acpi/power /etc/acpi/PWRF/00000080
for event in /dev/input/event*; do [ -e $event ] && mkdir -p /dev/input && break; done
acpid -d -c /etc/acpi -l /dev/null >/dev/null 2>&1 &

disk=
for tries in 1 2 3 4 5 6 7 8 9 10; do
  for each in /dev/vda /dev/sda; do [ -b $each ] && disk=$each && break 2; done
  sleep 0.5
done
if [ -n "$disk" ] && mount -t vfat $disk /disk 2>/dev/null; then
  boots=$(($(cat /disk/boots 2>/dev/null || echo 0) + 1))
  echo $boots > /disk/boots
  sync
  say BOOTS $boots
fi

ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
  cat > /etc/dhcp <<'END'
#!/bin/sh
case "$1" in bound|renew)
  ip addr flush dev $interface
  ip addr add $ip/${mask:-24} dev $interface
  ip link set $interface mtu ${mtu:-1500}
  [ -n "$router" ] && ip route replace default via ${router%% *}
  set -- $staticroutes
  while [ $# -ge 2 ]; do ip route replace $1 via $2; shift 2; done
  : > /etc/resolv.conf
  for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done
  echo "APUS-GUEST ADDRESS $ip" > /dev/console;;
esac
END
  chmod 755 /etc/dhcp
  ip link set eth0 up
  udhcpc -i eth0 -s /etc/dhcp -q -n -t 8 -T 2 -O staticroutes -O mtu >/dev/null 2>&1 || say NO-ADDRESS
fi

fetch() {
  printf 'GET %s HTTP/1.0\r\nHost: 169.254.169.254\r\n\r\n' "$1" |
    timeout 10 nc 169.254.169.254 80 2>/dev/null |
    sed -n '1{/ 200 /!q};/^\r*$/,$p' | tail -n +2
}
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" /metadata | head -n 1; }
ip route get 169.254.169.254 >/dev/null 2>&1 && fetch /openstack/latest/meta_data.json > /metadata
if ! grep -q uuid /metadata 2>/dev/null; then
  rm -f /metadata
  for drive in /dev/sr0 $(ls /dev/vd* 2>/dev/null); do
    [ -b "$drive" ] && mount -t iso9660 -o ro $drive /drive 2>/dev/null && break
  done
  cp /drive/openstack/latest/meta_data.json /metadata 2>/dev/null
fi
if [ -s /metadata ]; then
  hostname "$(field hostname)"
  say METADATA uuid=$(field uuid) name=$(field name)
fi
{ cat /drive/openstack/latest/user_data 2>/dev/null || fetch /openstack/latest/user_data; } \
  > /user_data 2>/dev/null
case "$(head -c 2 /user_data)" in '#!') chmod 755 /user_data; /user_data;; esac
say READY $(cut -d' ' -f1 /proc/uptime)
while :; do setsid cttyhack sh -l; sleep 1; done
"""
