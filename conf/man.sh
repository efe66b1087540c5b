#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes the manual page bufwriter.ini.5: the text as it is, and the list of
# settings, made from the table, in place of the line @SETTINGS@.
#
#	conf/man.sh conf/bufwriter.ini.5.in conf/config.def >bufwriter.ini.5

set -eu

[ $# -eq 2 ] || {
	echo "usage: $0 bufwriter.ini.5.in config.def" >&2
	exit 64
}

LC_ALL=C exec awk '
BEGIN {
	size["K"] = 1024
	size["M"] = 1024 * 1024
	size["G"] = 1024 * 1024 * 1024
	time["us"] = 1000
	time["ms"] = 1000000
	time["s"] = 1000000000
	time["m"] = 60 * 1000000000
	time["h"] = 3600 * 1000000000
	values["FRAMING"] = "newline | none | length"
	values["SYNC"] = "none | data"
	values["LEVEL"] = "error | warning | notice | info | debug"
}

function die(text) {
	print FILENAME ":" FNR ": " text >"/dev/stderr"
	failed = 1
	exit 1
}

function trim(s) {
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	return s
}

# a product of numbers, as the table writes large ones
function product(s,   n, i, part) {
	n = split(s, part, "*")
	s = 1
	for (i = 1; i <= n; i++)
		s *= part[i]
	return s
}

# in the largest of the units that loses nothing
function human(s, units,   n, best, u) {
	n = product(s)
	best = ""
	for (u in units)
		if (n > 0 && n % units[u] == 0 &&
		    (best == "" || units[u] > units[best]))
			best = u
	return sprintf("%.0f%s", best == "" ? n : n / units[best], best)
}

# what stands behind the = of a key
function argument(type) {
	if (type in values)
		return "Cm " values[type]
	if (type == "PATIENCE")
		return "Ar duration | Cm never"
	if (type == "SOCKET")
		return "Ar path"
	if (type == "NAME")
		return "Ar text"
	if (type ~ /^(SIZE|DURATION|COUNT|MODE|PATH|GROUP)$/)
		return "Ar " tolower(type)
	die("unknown type " type)
}

# the range of a type, or nothing
function allowed(type, min, max) {
	if (type == "SIZE")
		return human(min, size) " to " human(max, size)
	if (type == "DURATION" || type == "PATIENCE")
		return human(min, time) " to " human(max, time)
	if (type == "COUNT")
		return min " to " max
	if (type == "MODE")
		return sprintf("%04d to %04d", min, max)
	if (type == "PATH" || type == "SOCKET" || type == "NAME")
		return "at most " max " bytes"
	return ""
}

# plain text as mdoc: one sentence a line, nothing taken for a macro
function sentences(s,   n, i, part) {
	gsub(/\\/, "\\e", s)
	n = split(s, part, /\. /)
	for (i = 1; i <= n; i++)
		wrap(part[i] (i < n ? "." : ""))
}

function wrap(s,   n, i, word, line) {
	n = split(s, word, " ")
	line = ""
	for (i = 1; i <= n; i++) {
		if (line != "" && length(line word[i]) > 77) {
			print line
			line = ""
		}
		if (line == "" && word[i] ~ /^[.\047]/)
			line = "\\&"
		line = line (line == "" || line == "\\&" ? "" : " ") word[i]
	}
	print line
}

# CONFIG(section, key, type, "default", min, max, reload, "doc" "doc")
function setting(entry,   head, rest, f, n, def, doc) {
	sub(/^CONFIG\(/, "", entry)
	head = substr(entry, 1, index(entry, "\"") - 1)
	rest = substr(entry, length(head) + 2)
	def = substr(rest, 1, index(rest, "\"") - 1)
	rest = substr(rest, length(def) + 2)
	if (split(head, f, ",") != 4 || index(rest, "\"") == 0)
		die("not understood: " entry)
	doc = substr(rest, index(rest, "\"") + 1)
	sub(/"\)[ \t]*$/, "", doc)
	gsub(/"[ \t]+"/, "", doc)
	n = split(substr(rest, 2, index(rest, "\"") - 2), arg, ",")
	if (n != 4)
		die("not understood: " entry)
	item(trim(f[1]), trim(f[2]), trim(f[3]), def, trim(arg[1]), \
		trim(arg[2]), trim(arg[3]), doc)
}

function item(section, key, type, def, min, max, reload, doc,   may) {
	may = allowed(type, min, max)
	if (section != current) {
		if (current != "")
			print ".El"
		print ".Ss Section [" section "]\\&"
		print ".Bl -tag -width Ds"
		current = section
	}
	print ".It Ic " key " No = " argument(type)
	sentences(doc)
	print ".br"
	if (def == "")
		print "Default: empty" (may == "" ? "." : ";")
	else
		print "Default:\n.Ql " def (may == "" ? " ." : " ;")
	if (may != "")
		print "allowed: " may "."
	if (reload == 1)
		print "Applied by a reload."
}

function settings(   line, entry, inside) {
	entry = ""
	while ((getline line < def_file) > 0) {
		if (line ~ /^CONFIG\(/)
			inside = 1
		if (!inside)
			continue
		entry = entry (entry == "" ? "" : " ") trim(line)
		if (entry ~ /"\)$/) {
			setting(entry)
			entry = ""
			inside = 0
		}
	}
	if (current == "" || inside)
		die(def_file " is not a table of settings")
	print ".El"
}

/^@SETTINGS@$/ {
	settings()
	next
}
{ print }
' def_file="$2" "$1"
