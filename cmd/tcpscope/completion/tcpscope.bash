# Completion of tcpscope in bash.
_tcpscope() {
	local IFS=$'\n' line words=()
	for line in $("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
		line=${line%%$'\t'*}
		words+=("${line//|/\\|}") # open|filtered is one word
	done
	COMPREPLY=("${words[@]}")
}
complete -o default -F _tcpscope tcpscope
