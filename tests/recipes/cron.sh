#!/bin/sh
# SPDX-License-Identifier: MIT
#
# client/recipes/cron.md.  cron's paths are fixed, so it runs in a mount
# namespace.  A job runs once a minute: this test takes three.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin cron
needs cron cron
unshare -m true 2>/dev/null || skip "mount namespaces are not permitted"

cat >"$work/job" <<JOB
#!/bin/sh
n=\$(wc -l <$work/jobs)
echo >>$work/jobs
seq \$((n * 20 + 1)) \$((n * 20 + 20)) | sed 's/.*/job id=&./'
JOB
chmod 755 "$work/job"
: >"$work/jobs"
chmod 666 "$work/jobs"
mkdir "$work/cron.d" "$work/crontabs"
{
	echo "BUFWRITER_SOCKET=$sock"
	block recipes/cron.md 1 | sed "s,/usr/local/bin/job,$work/job,"
} >"$work/cron.d/job"
: >"$work/crontab"
chown -R root:root "$work/cron.d"
background unshare -m sh -c "mount --bind $work/cron.d /etc/cron.d &&
	mount --bind $work/crontabs /var/spool/cron/crontabs &&
	mount --bind $work/crontab /etc/crontab &&
	mount -t tmpfs none /run && exec cron -f"


# longer than another wait: the next minute begins in up to 60 s
until_minute() {
	tries=0
	until all_there "$1"; do
		tries=$((tries + 1))
		[ "$tries" -lt 180 ] || fail "the job did not run"
		sleep 1
	done
}
until_minute 20
restart
until_minute 40
sigkill
until_minute 60
expect 60
expect_line 'job id=60\.'
echo "$name: each of 60 messages once"
