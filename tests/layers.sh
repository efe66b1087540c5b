#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks who includes whom, in the tree of this script or in DIRECTORY:
#
#	tests/layers.sh [DIRECTORY]
#
# - A file includes only files of its own folder and of folders to the left of
#   it in the table `layers`.
# - Files do not include one another in a circle.  X.c and X.h count as one.
# - An include names its file by the path from the top of the tree.
set -eu

# Each entry is a stack of folders, the lowest first.  Two stacks share nothing.
layers='
conf daemon/base daemon/region daemon/filing daemon/worker daemon/intake
	daemon/control daemon;
client/library client/cases client/command client/ship;
client/nats;
'

# FOLDER FILE: the folder may include this file of a higher layer, or of the
# other stack.
upward='
daemon/control daemon/reload.h;
daemon/control daemon/start.h;
client/ship conf/config.h;
client/ship conf/expand.h;
'

# FOLDER NAME: files in the folder may include this name.  The library is copied
# into other projects without the tree around it.
by_name='
client/library bufwriter.h;
'

cd "${1:-$(dirname "$0")/..}"
# shellcheck disable=SC2046 # a list of files
set -- $(find conf daemon client -name '*.[ch]' -o -name '*.def' |
	LC_ALL=C sort)
[ $# != 0 ]

awk -v layers="$(echo "$layers" | tr '\n' ' ')" \
	-v upward="$(echo "$upward" | tr '\n' ' ')" \
	-v by_name="$(echo "$by_name" | tr '\n' ' ')" '
function folder(file) {
	sub("/[^/]*$", "", file)
	return file
}

# X.c and X.h are one unit
function unit(file) {
	sub("[.][ch]$", "", file)
	return file
}

function wrong(text) {
	print text
	failed = 1
}

# pairs("a b; c d;", set): set[a, b] and set[c, d] exist
function pairs(text, set,   line, word, n, i) {
	n = split(text, line, ";")
	for (i = 1; i <= n; i++)
		if (split(line[i], word, " ") == 2)
			set[word[1], word[2]] = 1
}

function read_layers(   line, word, n, m, i, j) {
	n = split(layers, line, ";")
	for (i = 1; i <= n; i++) {
		m = split(line[i], word, " ")
		for (j = 1; j <= m; j++) {
			stack[word[j]] = i
			height[word[j]] = j
		}
	}
}

BEGIN {
	read_layers()
	pairs(upward, may_upward)
	pairs(by_name, may_by_name)
}

FNR == 1 {
	exists[FILENAME] = 1
	if (!(folder(FILENAME) in height))
		wrong(FILENAME ": its folder is in no layer of tests/layers.sh")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	from[++includes] = FILENAME
	to[includes] = part[2]
	place[includes] = FILENAME ":" FNR ": "
}

function check_include(at, file, name,   here, there) {
	here = folder(file)
	there = folder(name)
	if ((here, name) in may_by_name)
		return
	if (!(name in exists)) {
		wrong(at name " is no path from the top to a file of these folders")
		return
	}
	if (unit(file) != unit(name))
		uses[unit(file), unit(name)] = 1
	if (here == there || (here, name) in may_upward)
		return
	if (stack[here] != stack[there])
		wrong(at here " and " there " share nothing, but includes " name)
	else if (height[here] < height[there])
		wrong(at here " is below " there ", but includes " name)
}

# The first unit that `u` uses, among those that are left, or "".
function next_of(u,   pair, part, best) {
	best = ""
	for (pair in uses) {
		split(pair, part, SUBSEP)
		if (part[1] == u && (part[2] in left) &&
		    (best == "" || part[2] < best))
			best = part[2]
	}
	return best
}

# Removes units that use none of those left.  What remains is circles and
# units that lead to one.
function remove_leaves(   u, removed) {
	do {
		removed = 0
		for (u in left) {
			if (next_of(u) == "") {
				delete left[u]
				removed = 1
			}
		}
	} while (removed)
}

# Walks from `u` until a unit comes twice, and removes the circle found.
function report_circle(u,   after, first, text) {
	while (!(u in after))
		u = after[u] = next_of(u)
	first = u
	for (u = after[u]; u in left; u = after[u]) {
		if (u < first)
			first = u
		delete left[u]
	}
	text = first
	for (u = after[first]; u != first; u = after[u])
		text = text " -> " u
	wrong("a circle: " text " -> " first)
}

function any_left(   u) {
	for (u in left)
		return u
	return ""
}

END {
	for (i = 1; i <= includes; i++)
		check_include(place[i], from[i], to[i])
	for (file in exists)
		left[unit(file)] = 1
	remove_leaves()
	while ((u = any_left()) != "") {
		report_circle(u)
		remove_leaves()
	}
	exit failed
}' "$@"
