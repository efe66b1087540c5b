# SPDX-License-Identifier: MIT
# fish completion for bufwriter(1)

set -l commands send status metrics flush reload top
set -l first "not __fish_seen_subcommand_from $commands"
set -l asks "__fish_seen_subcommand_from status metrics flush reload top"

complete -c bufwriter -n "$first" -f
complete -c bufwriter -n "$first" -a send -d 'Send lines, files or arguments'
complete -c bufwriter -n "$first" -a status -d 'Show what the daemon does'
complete -c bufwriter -n "$first" -a metrics -d 'Print counters as OpenMetrics'
complete -c bufwriter -n "$first" -a flush -d 'File everything received so far'
complete -c bufwriter -n "$first" -a reload -d 'Read the settings again'
complete -c bufwriter -n "$first" -a top -d 'Watch the daemon'
complete -c bufwriter -l help -d 'Show help'
complete -c bufwriter -n "$first" -l version -d 'Show the version'

set -l send '__fish_seen_subcommand_from send'
complete -c bufwriter -n "$send" -l null -d 'Messages end with NUL'
complete -c bufwriter -n "$send" -l whole -d 'All of the input is one message'
complete -c bufwriter -n "$send" -l timeout -x -a '0 100ms 1s never'
complete -c bufwriter -n "$send" -l socket -r -d 'Socket of the daemon'

complete -c bufwriter -n "$asks" -f
complete -c bufwriter -n "$asks" -l control -r -d 'Control socket'
complete -c bufwriter -n '__fish_seen_subcommand_from status' -l json
complete -c bufwriter -n '__fish_seen_subcommand_from status' -l check
