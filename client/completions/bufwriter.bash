# SPDX-License-Identifier: MIT
# bash completion for bufwriter(1)

_bufwriter() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='send status metrics flush reload top'
	local command=${COMP_WORDS[1]} words

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="$commands --help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	case $prev in
	--socket | --file | -s | -f)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--timeout | -t)
		words='0 100ms 1s never'
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	esac
	case $command in
	send) words='--file --null --whole --timeout --socket --quiet --help' ;;
	status) words='--json --check --socket --help' ;;
	metrics) words='--openmetrics --socket --help' ;;
	flush) words='--timeout --quiet --socket --help' ;;
	reload) words='--socket --help' ;;
	top) words='--delay --socket --help' ;;
	*) words= ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	fi
}
complete -o filenames -F _bufwriter bufwriter
