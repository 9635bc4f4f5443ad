# fish completion for svctl; what it knows comes from svctl's own tables

# The options among the words that say which daemon is meant.
function __svctl_to
    set -l to
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case -s --socket -r --runtime-dir
                set -l j (math $i + 1)
                set to $words[$i] $words[$j]
            case '--socket=*' '--runtime-dir=*'
                set to $words[$i]
        end
    end
    string join \n -- $to
end

function __svctl_NAME
    command svctl (__svctl_to) -j -t 2 status 2>/dev/null | tr ',{' '\n\n' |
        sed -n 's/^"name":"\([^"]*\)".*/\1/p' |
        sed 's/^\(.*\):[0-9]*$/&\n\1/; $aall' | sort -u
end

function __svctl_FLOOR
    command svctl (__svctl_to) -j -t 2 floors 2>/dev/null | tr ',{' '\n\n' |
        sed -n 's/^"name":"\([^"]*\)".*/\1/p' | sort -u
end

function __svctl_SIG
    string split ' ' '@signals@'
end

function __svctl_KEY
    string split ' ' '@keys@'
end

# Is this the command, and the argument to be completed its n-th, from 0 (with
# "more": at least that)? __svctl_is COMMAND [N [more]]
function __svctl_is
    set -l command ''
    set -l place 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case @fish-valued@
                set skip 1
            case '-*'
            case '*'
                if test -z "$command"
                    set command $word
                else
                    set place (math $place + 1)
                end
        end
    end
    test "$command" = "$argv[1]"
    or return 1
    set -q argv[2]
    or return 0
    test $place = $argv[2]
    or test "$argv[3]" = more -a $place -gt $argv[2]
end

complete -c svctl -f
@fish-options@
@fish-commands@
@fish-arguments@
