# Completion of tcpscope in bash.
_tcpscope() {
	local IFS=$'\n' line words=()
	for line in $("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
		words+=("${line%%$'\t'*}")
	done
	COMPREPLY=("${words[@]}")
}
complete -o default -F _tcpscope tcpscope
