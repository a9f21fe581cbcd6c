"""What the package manager of a host says, by a POSIX shell script. Nothing is changed, no lock is taken, no network is used."""

from collections.abc import Iterable

END = "end-of-packages"

SCRIPT = r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
limit=
command -v timeout >/dev/null && limit='timeout 60'
for folder in /proc/[0-9]*; do
    name=
    read -r name 2>/dev/null <"$folder/comm" || continue
    case $name in
    apt | apt-get | aptitude | dpkg | unattended-upgr | dnf | dnf5 | dnf-automatic | yum | yum-cron | zypper | rpm | rpmdb)
        echo "busy $name (process ${folder#/proc/})" ;;
    esac
    [ "$folder" = /proc/1 ] && echo "init $name"
done
if [ -d /run/systemd/system ]; then
    for unit in apt-daily.timer apt-daily-upgrade.timer dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer \
        yum-cron.service rpm-ostreed-automatic.timer transactional-update.timer; do
        echo "timer $unit $($limit systemctl is-active $unit 2>/dev/null </dev/null) $($limit systemctl is-enabled $unit 2>/dev/null </dev/null)"
    done
elif [ -x /etc/cron.daily/apt-compat ]; then
    echo "cron /etc/cron.daily/apt-compat"
fi
if [ -s /var/lib/dpkg/status ] && command -v dpkg-query >/dev/null; then
    echo manager dpkg
    rows=$(dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\t${Version}\n')
    echo "listed $?"
    printf '%s\n' "$rows" | awk -F '\t' -v "wanted= $WANTED " '
        NF == 3 && $1 ~ /i *$/ {count++}
        NF == 3 && ($1 !~ /^[iurp][nci] *$/ || index(wanted, " " $2 " ")) {print "package " $2 "\t" $3 "\t" $1}
        END {print "count " count + 0}'
    command -v apt-config >/dev/null && apt-config dump 2>/dev/null |
        sed -n 's/^APT::Periodic::\([A-Za-z-]*\) "\([^"]*\)";.*/periodic \1 \2/p'
    if [ "$DEPENDENCIES" = yes ] && command -v apt-get >/dev/null; then
        said=$($limit apt-get -qq -o Debug::NoLocking=true check 2>&1 </dev/null)
        echo "checked $?"
        printf '%s\n' "$said" | sed -n '/./s/^/said /p' | head -n 20
    fi
elif command -v rpm >/dev/null; then
    echo manager rpm
    rows=$(rpm -qa --qf '%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\n')
    echo "listed $?"
    printf '%s\n' "$rows" | awk -F '\t' -v "wanted= $WANTED " '
        NF == 3 {count++; copies[$1 "." $3]++}
        NF == 3 && index(wanted, " " $1 " ") {print "package " $1 "\t" $2 "\tii"}
        END {
            for (name in copies) if (copies[name] > 1 && name !~ /^(kernel|gpg-pubkey|kmod-)/) print "twice " name
            print "count " count + 0
        }'
    sed -n '/^[[:space:]]*[^#[:space:]]/s/^/lock /p' /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list 2>/dev/null
    sed -n 's/^[[:space:]]*name[[:space:]]*=[[:space:]]*"\([^"]*\)".*/lock \1/p' /etc/dnf/versionlock.toml 2>/dev/null
    sed -n 's/^solvable_name:[[:space:]]*/lock /p' /etc/zypp/locks 2>/dev/null
    sed -n 's/^[[:space:]]*exclude\(pkgs\)\{0,1\}[[:space:]]*=[[:space:]]*/lock /p' /etc/dnf/dnf.conf /etc/yum.conf 2>/dev/null
    if [ "$DEPENDENCIES" = yes ]; then
        said=$($limit rpm -Va --nofiles --nodigest --nosignature --noscripts 2>&1 </dev/null)
        echo "checked $?"
        printf '%s\n' "$said" | sed -n '/./s/^/said /p' | head -n 20
    fi
else
    echo manager none
fi
"""


def script(names: Iterable[str], *, dependencies: bool) -> str:
    """`names`: of packages whose versions are wanted, harmless in a shell."""
    settings = f"WANTED='{' '.join(names)}' DEPENDENCIES={'yes' if dependencies else 'no'}"
    return f"{settings}\n{SCRIPT}echo {END}\n"
