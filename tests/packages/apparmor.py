#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds an AppArmor profile to what a program opens and runs.

    apparmor.py PROFILE TRACE

TRACE is what `strace -f -y -e trace=%file,bind` wrote of a program with its default
paths.  Each path that AppArmor looks at has to match a rule of the profile, or
of what it includes from /etc/apparmor.d, with the right to write where the call
writes, and to run it where the call is execve(2) of another program.
AppArmor does not look at stat(2), access(2), readlink(2), inotify and
O_PATH.  A path that is not there counts: under AppArmor the call would get
EACCES in place of ENOENT.  Prints the paths, and fails if one has no rule.
"""
import os
import re
import sys

ROOT = "/etc/apparmor.d"
VARIABLES = {"@{PROC}": "/proc", "@{run}": "{/var,}/run", "@{pid}": "[0-9]*",
             "@{pids}": "[0-9]*", "@{sys}": "/sys",
             "@{multiarch}": "*-linux-gnu*", "@{HOME}": "{/root,/home/*}",
             "@{etc_ro}": "{/usr,}/etc", "@{etc_rw}": "/etc",
             "@{tid}": "[0-9]*"}
RULE = re.compile(r"^(?:owner +)?(/\S*|@\{\S*) +([rwaklmixPUC]+),")
CHANGES = re.compile(r"(?:rename|renameat2?|unlink|unlinkat|mkdir|mkdirat|"
                     r"rmdir|bind|symlink|symlinkat|f?chmod\w*|l?f?chown\w*|"
                     r"link|linkat|truncate|mknod\w*)\(")


def rules(path):
    """(pattern, permissions) of a profile and of what it includes."""
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        include = re.match(r"#?include (?:if exists )?<(\S*)>", line)
        if include and include[1] not in ("tunables/global", "abi/3.0"):
            at = os.path.join(ROOT, include[1])
            if os.path.isdir(at):
                for name in sorted(os.listdir(at)):
                    yield from rules(os.path.join(at, name))
            elif os.path.exists(at):
                yield from rules(at)
        rule = RULE.match(line)
        if rule:
            yield regex(rule[1]), rule[2]


def regex(text):
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    out, depth, i = "", 0, 0
    while i < len(text):
        c = text[i]
        if text.startswith("**", i):
            out, i = out + ".*", i + 1
        elif c == "*":
            out += "[^/]*"
        elif c == "?":
            out += "[^/]"
        elif c == "{":
            out, depth = out + "(?:", depth + 1
        elif c == "}":
            out, depth = out + ")", depth - 1
        elif c == "," and depth:
            out += "|"
        elif c in "[]-":
            out += c
        else:
            out += re.escape(c)
        i += 1
    return re.compile(out + r"\Z")


def calls(trace):
    """(path, one of "r", "w", "x") of each system call."""
    program = None
    for line in open(trace, encoding="utf-8", errors="replace"):
        line = re.sub(r"^\d+ +", "", line)
        changes = bool(CHANGES.match(line))
        run = re.match(r'execve\("(/[^"]*)"', line)
        if run:
            program = program or run[1]
            # execvp(3) also tries where no program is
            if run[1] != program and os.path.exists(run[1]):
                yield run[1], "x"
            continue
        # what is there already is found before AppArmor is asked
        if line.startswith("mkdir") and "EEXIST" in line:
            continue
        if not changes and not line.startswith("open") or "O_PATH" in line:
            continue
        writes = changes or "O_WRONLY" in line or "O_RDWR" in line
        inside = re.findall(r'<(/[^>"]*)>, "([^/"][^"]*)"', line)
        for path in re.findall(r'"(/[^"]*)"', line) + [
                os.path.normpath("%s/%s" % pair) for pair in inside]:
            # a link to what is opened, whose own path counts
            if not path.startswith("/proc/self/fd/"):
                yield path, "w" if writes else "r"


def main():
    profile, trace = sys.argv[1:3]
    allowed = list(rules(profile))
    need = {"r": "r", "w": "wa", "x": "x"}
    asked = sorted(set(calls(trace)))
    bad = 0
    for path, does in asked:
        # of a directory, a rule has the slash at the end
        fits = any(p.match(name) and set(need[does]) & set(rights)
                   for p, rights in allowed for name in (path, path + "/"))
        print("%s %s%s" % (does, path, "" if fits else "   NO RULE"))
        bad += not fits
    if len(asked) < 15:
        sys.exit("the trace names only %d paths" % len(asked))
    sys.exit(bad and "%d paths have no rule" % bad)


main()
