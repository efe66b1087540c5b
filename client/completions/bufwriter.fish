# SPDX-License-Identifier: MIT
# fish completion for bufwriter(1)

set -l daemon send status metrics flush reload top doctor report
set -l commands $daemon ship cat
set -l first "not __fish_seen_subcommand_from $commands"
set -l seen __fish_seen_subcommand_from

complete -c bufwriter -f
complete -c bufwriter -s h -l help -d 'Show help'
complete -c bufwriter -s V -l version -d 'Show the version'
complete -c bufwriter -n "$first" -a send -d 'Send lines, files or arguments'
complete -c bufwriter -n "$first" -a status -d 'Show what the daemon does'
complete -c bufwriter -n "$first" -a metrics -d 'Print the numbers'
complete -c bufwriter -n "$first" -a flush -d 'Wait until messages are in files'
complete -c bufwriter -n "$first" -a reload -d 'Reload the settings'
complete -c bufwriter -n "$first" -a top -d 'Show live what the daemon does'
complete -c bufwriter -n "$first" -a doctor -d 'Look for what is often wrong'
complete -c bufwriter -n "$first" -a report -d 'Print what a bug report needs'
complete -c bufwriter -n "$first" -a cat -d 'Print the messages of files'
complete -c bufwriter -n "$first" -a ship -d 'Take complete files to a centre'
complete -c bufwriter -n "$seen $daemon" -s s -l socket -rF -d 'The socket'

complete -c bufwriter -n "$seen send" -s f -l file -rF -d 'Read this file'
complete -c bufwriter -n "$seen send" -s 0 -l null -d 'Messages end with NUL'
complete -c bufwriter -n "$seen send" -s l -l length -d 'Messages follow their length'
complete -c bufwriter -n "$seen send" -s a -l answer -d 'Print what became of the messages'
complete -c bufwriter -n "$seen send" -s w -l whole -d 'Send one message'
complete -c bufwriter -n "$seen send" -s t -l timeout -xa '0 100ms 1s never'
complete -c bufwriter -n "$seen send flush" -s q -l quiet -d 'Print nothing'
complete -c bufwriter -n "$seen flush" -s t -l timeout -xa '1s 10s 1m never'
complete -c bufwriter -n "$seen status" -s j -l json -d 'Print JSON'
complete -c bufwriter -n "$seen status" -s c -l check -d 'For monitoring'
complete -c bufwriter -n "$seen metrics" -s o -l openmetrics -d 'OpenMetrics 1.0'
complete -c bufwriter -n "$seen top" -s d -l delay -xa '100ms 1s 10s'
complete -c bufwriter -n "$seen ship" -s c -l config -rF -d 'The settings file'
complete -c bufwriter -n "$seen ship" -s o -l option -x -d 'Set one key'
complete -c bufwriter -n "$seen ship" -s 1 -l once -d 'Ship what is there now'
complete -c bufwriter -n "$seen ship" -s n -l dry-run -d 'Do nothing'
complete -c bufwriter -n "$seen ship" -s q -l quiet -d 'Print problems only'
complete -c bufwriter -n "$seen doctor" -s d -l data -rF -d 'Message socket'
complete -c bufwriter -n "$seen report" -s u -l unit -x -d 'The unit of the daemon'
complete -c bufwriter -n "$seen report" -s o -l output -rF -d 'A new file'
complete -c bufwriter -n "$seen cat" -F
complete -c bufwriter -n "$seen cat" -s f -l framing -xa 'newline length none'
complete -c bufwriter -n "$seen cat" -s 0 -l null -d 'End messages with NUL'
complete -c bufwriter -n "$seen cat" -s l -l length -d 'Write lengths first'
