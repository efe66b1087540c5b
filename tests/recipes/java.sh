#!/bin/sh
# SPDX-License-Identifier: MIT
# client/languages/java.md with Debian's logback and log4j2
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin java
needs javac default-jdk-headless
jars=/usr/share/java
export BUFWRITER_SOCKET="$sock"

cat >"$work/Program.java" <<'JAVA'
public class Program {
	interface Log {
		void info(String text, Throwable error);
	}

	public static void main(String[] args) throws Exception {
		Log log = args[0].equals("logback") ? Logback.make() : Log4j.make();
		var input = new java.io.BufferedReader(
			new java.io.InputStreamReader(System.in));
		String line;
		while ((line = input.readLine()) != null)
			log.info("id=" + line + ". ß", line.endsWith("0") ?
				new RuntimeException("stack") : null);
	}
}
JAVA
cat >"$work/Logback.java" <<'JAVA'
class Logback {
	static Program.Log make() {
		var log = org.slf4j.LoggerFactory.getLogger("shop");
		return log::info;
	}
}
JAVA
cat >"$work/Log4j.java" <<'JAVA'
class Log4j {
	static Program.Log make() {
		var log = org.apache.logging.log4j.LogManager.getLogger("shop");
		return log::info;
	}
}
JAVA
mkdir "$work/logback" "$work/log4j"
block languages/java.md 1 >"$work/logback/logback.xml"
block languages/java.md 2 >"$work/log4j/log4j2.xml"

# try LIBRARY CLASSPATH FROM: a hundred messages
try() {
	for jar in $(echo "$2" | tr : ' '); do
		[ -e "$jar" ] || {
			echo "$name: $1: skipped: $jar is not installed"
			return
		}
	done
	mkfifo "$work/$1.numbers"
	exec 7<>"$work/$1.numbers"
	(cd "$work" && java -Dfile.encoding=UTF-8 \
		-cp "$work/classes:$work/$1:$2" Program "$1" <"$work/$1.numbers" |
		bufwriter send -q -t never) 7<&- &
	pid=$!
	seq "$3" $(($3 + 39)) >&7
	until_true all_there $(($3 + 39))
	restart
	seq $(($3 + 40)) $(($3 + 69)) >&7
	until_true all_there $(($3 + 69))
	sigkill
	seq $(($3 + 70)) $(($3 + 99)) >&7
	exec 7>&-
	wait "$pid" || fail "$1: bufwriter send ended with $?"
	expect $(($3 + 99))
	expect_line ".* INFO shop: id=$(($3 + 97))\\. ß *"
	lines | grep -aqE "id=$(($3 + 99))\\..*RuntimeException: stack.*\\|.*at " ||
		fail "$1: a stack trace is not one line"
	echo "$name: $1: each of 100 messages once"
}

logback=$jars/slf4j-api.jar:$jars/logback-classic.jar:$jars/logback-core.jar
log4j=$jars/log4j-api.jar:$jars/log4j-core.jar
mkdir "$work/classes"
javac -d "$work/classes" -cp "$logback:$log4j" "$work"/*.java
try logback "$logback" 1
try log4j "$log4j" 101
