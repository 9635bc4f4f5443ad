# bash completion for svd; what it knows comes from svd's own table

_svd()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i
	# Behind -- stands another command line.
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			COMPREPLY=($(compgen -c -f -- "$cur"))
			return
		fi
	done
	if [[ $prev == -r || $prev == --runtime-dir ]]; then
		COMPREPLY=($(compgen -d -- "$cur"))
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W '@svd-options@ --' -- "$cur"))
	else
		COMPREPLY=($(compgen -f -X '!*.ini' -- "$cur")
			$(compgen -d -- "$cur"))
	fi
}

complete -o filenames -F _svd svd
