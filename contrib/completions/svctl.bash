# bash completion for svctl; what it knows comes from svctl's own tables

# The workers of the fleet that the words before say: group, instance, all.
_svctl_names()
{
	"${COMP_WORDS[0]}" "$@" -j -t 2 status 2>/dev/null | tr ',{' '\n\n' |
		sed -n 's/^"name":"\([^"]*\)".*/\1/p' |
		sed 's/^\(.*\):[0-9]*$/&\n\1/; $aall' | sort -u
}

_svctl_floors()
{
	"${COMP_WORDS[0]}" "$@" -j -t 2 floors 2>/dev/null | tr ',{' '\n\n' |
		sed -n 's/^"name":"\([^"]*\)".*/\1/p' | sort -u
}

_svctl_reply()
{
	local cur=$1
	shift
	COMPREPLY=($(compgen -W "$*" -- "$cur"))
	# A colon parts words for readline, but not for svctl.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
	fi
}

_svctl_argument()
{
	local kind=$1 cur=$2
	shift 2
	case $kind in
	NAME) _svctl_reply "$cur" "$(_svctl_names "$@")" ;;
	FLOOR) _svctl_reply "$cur" "$(_svctl_floors "$@")" ;;
	SIG) _svctl_reply "$cur" '@signals@' ;;
	KEY) _svctl_reply "$cur" '@keys@' ;;
	SOCKET) COMPREPLY=($(compgen -f -- "$cur")) ;;
	DIR) COMPREPLY=($(compgen -d -- "$cur")) ;;
	*) COMPREPLY=() ;;
	esac
}

_svctl()
{
	local line=${COMP_LINE:0:COMP_POINT} cur command='' to=() words
	local -i i place=0
	read -ra words <<<"$line"
	[[ $line != *[[:space:]] ]] || words+=('')
	cur=${words[${#words[@]} - 1]}
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in
		-s | --socket | -r | --runtime-dir)
			to=("${words[i]}" "${words[i + 1]}") ;;&
		--socket=* | --runtime-dir=*)
			to=("${words[i]}") ;;
		@bash-valued@)
			((++i)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=${words[i]}
			else
				((++place))
			fi ;;
		esac
	done
	# The value of the option before it.
	if ((i == ${#words[@]})); then
		case ${words[i - 2]} in
@bash-values@
		esac
		return
	fi
	if [[ $cur == -* ]]; then
		case $command in
@bash-options@
		*) _svctl_reply "$cur" '@options@' ;;
		esac
		return
	fi
	case $command:$place in
	:*) _svctl_reply "$cur" '@commands@' ;;
@bash-arguments@
	esac
}

complete -F _svctl svctl
