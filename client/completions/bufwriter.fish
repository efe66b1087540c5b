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
complete -c bufwriter -n "$send" -f
complete -c bufwriter -n "$send" -s f -l file -rF -d 'Read this file'
complete -c bufwriter -n "$send" -s 0 -l null -d 'Messages end with NUL'
complete -c bufwriter -n "$send" -s w -l whole -d 'All input is one message'
complete -c bufwriter -n "$send" -s t -l timeout -x -a '0 100ms 1s never'
complete -c bufwriter -n "$send" -s s -l socket -rF -d "The daemon's socket"
complete -c bufwriter -n "$send" -s q -l quiet -d 'No progress, no summary'

complete -c bufwriter -n "$asks" -f
complete -c bufwriter -n "$asks" -s s -l socket -rF -d 'Control socket'
complete -c bufwriter -n '__fish_seen_subcommand_from status' -l json
complete -c bufwriter -n '__fish_seen_subcommand_from status' -l check
complete -c bufwriter -n '__fish_seen_subcommand_from metrics' -l openmetrics
complete -c bufwriter -n '__fish_seen_subcommand_from flush' -s t -l timeout -x
complete -c bufwriter -n '__fish_seen_subcommand_from flush' -s q -l quiet
complete -c bufwriter -n '__fish_seen_subcommand_from top' -s d -l delay -x
