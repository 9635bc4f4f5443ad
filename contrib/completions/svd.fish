# fish completion for svd; what it knows comes from svd's own table

complete -c svd -f
complete -c svd -k -a '(__fish_complete_suffix .ini)'
@fish-svd-options@
