# SPDX-License-Identifier: MIT
# bash completion for bufwriter(1)

_bufwriter() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} words='--help --version'

	COMPREPLY=()
	if [[ $command == cat && ( $prev == --framing || $prev == -f ) ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'newline length none' -- "$cur")
		return
	fi
	case $prev in
	--socket | -s | --file | -f | --config | -c)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--timeout | -t | --delay | -d)
		words='100ms 1s 10s 1m'
		[ "$prev" = --delay ] || [ "$prev" = -d ] || words+=' never'
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	--option | -o)
		words='files. ship.'
		compopt -o nospace
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	esac
	if [ "$COMP_CWORD" -eq 1 ]; then
		words+=' send status metrics flush reload top doctor report ship cat'
	else
		[ "$command" = ship ] || [ "$command" = cat ] ||
			words+=' --socket'
		case $command in
		send) words+=' --file --null --length --answer --whole --timeout --quiet' ;;
		status) words+=' --json --check' ;;
		metrics) words+=' --openmetrics' ;;
		flush) words+=' --timeout --quiet' ;;
		top) words+=' --delay' ;;
		doctor) words+=' --data' ;;
		report) words+=' --unit --output' ;;
		ship) words+=' --config --option --once --dry-run --quiet' ;;
		cat) words+=' --framing --null --length' ;;
		esac
		# A word without a dash is a message, which cannot be completed.
		[[ $cur == -* || $command != send ]] || return
		if [[ $cur != -* && $command == cat ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _bufwriter bufwriter
