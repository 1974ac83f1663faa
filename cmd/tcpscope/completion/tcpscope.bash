# Completion of tcpscope in bash.
_tcpscope() {
	local IFS=$'\n' line words=()
	for line in $("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
		printf -v line %q "${line%%$'\t'*}" # open|filtered is one word
		words+=("$line")
	done
	COMPREPLY=("${words[@]}")
}
complete -o default -F _tcpscope tcpscope
