"""`clipsearch completion`."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from clipsearch.cli.command import argument, command
from clipsearch.cli.output import say

_SHELLS = ("bash", "zsh", "fish", "powershell")
_BASH = """\
%(complete_func)s() {
    local response completion value quote=
    case ${COMP_WORDS[COMP_CWORD]} in
        \\"*) quote=\\" ;;
        \\'*) quote=\\' ;;
    esac
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD COMP_QUOTE="$quote" %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    while IFS= read -r completion; do
        value=${completion#*,}
        case $completion in
            dir,*) COMPREPLY=(); compopt -o dirnames ;;
            file,*) COMPREPLY=(); compopt -o default ;;
            plain,*) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $position)
    $typed = $line.ToString()
    $env:COMP_WORDS = $typed.Substring(0, [Math]::Min($typed.Length, $position - $line.Extent.StartOffset))
    $env:COMP_CWORD = $word
    $env:%(complete_var)s = "powershell_complete"
    $option = if ($word -match "^--[^=]+=") { $Matches[0] } else { "" }
    try {
        %(prog_name)s | ForEach-Object {
            $kind, $value, $help = $_ -split "`t", 3
            if ($kind -eq "plain") {
                $text = if ($value -match "[^\\w./:=+-]") { "'" + $value.Replace("'", "''") + "'" } else { $value }
                [System.Management.Automation.CompletionResult]::new($text, $value, "ParameterValue", $help)
            } else {
                [System.Management.Automation.CompletionCompleters]::CompleteFilename($value) |
                    Where-Object { $kind -eq "file" -or $_.ResultType -eq "ProviderContainer" } |
                    ForEach-Object {
                        $path = $option + $_.CompletionText
                        [System.Management.Automation.CompletionResult]::new($path, $path, $_.ResultType, $_.ToolTip)
                    }
            }
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:%(complete_var)s
    }
}
"""

_FISH = """\
function %(complete_func)s
    set -lx %(complete_var)s fish_complete
    set -lx COMP_WORDS (commandline -cp)
    set -lx COMP_CWORD (commandline -t)
    set -l option (string match -r -- "^--[^=]+=" $COMP_CWORD)
    for completion in (%(prog_name)s)
        set -l parts (string split --max 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2] | string replace -r -- "^" "$option"
            case file
                __fish_complete_path $parts[2] | string replace -r -- "^" "$option"
            case plain
                printf "%%s\\n" $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


_ESCAPED = re.compile(r"[^\w@%+=:,./-]")  # what a backslash stands before in bash, outside of quotes
_ASSIGNED = re.compile(r"(--[^=\s]+=)")


class _WholeWordComplete(ShellComplete):
    """For shells that put a completion in the place of all of --sort=da, and not only of what follows the sign."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """The completions; values have the option before them if the word has."""
        items = super().get_completions(args, incomplete)
        if option := _ASSIGNED.match(incomplete):
            for item in items:
                if item.type == "plain":
                    item.value = option[1] + item.value
        return items


@add_completion_class
class QuotingBashComplete(BashComplete):
    """Completion in bash. Click's own script makes several words of a value with spaces.

    Bash gets values as they are typed: between quotes if the word begins with one, otherwise with backslashes.
    """

    name = "bash"
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one at it. Bash has --sort, = and da for --sort=da."""
        words, incomplete = super().get_completion_args()
        joined: list[str] = []
        for word in words:
            if joined and (_ASSIGNED.fullmatch(joined[-1]) or (word == "=" and joined[-1].startswith("--"))):
                joined[-1] += word
            else:
                joined.append(word)
        if joined and _ASSIGNED.fullmatch(joined[-1]):
            joined[-1] = joined[-1][:-1]
        return joined, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Its kind and its text, quoted."""
        if item.type != "plain":
            return super().format_completion(item)
        match os.environ.get("COMP_QUOTE"):
            case '"':
                value = re.sub(r'([\\"$`])', r"\\\1", item.value)
            case "'":
                value = item.value.replace("'", r"'\''")
            case _:
                value = _ESCAPED.sub(r"\\\g<0>", item.value)
        return f"plain,{value}"


@add_completion_class
class WholeWordZshComplete(_WholeWordComplete, ZshComplete):
    """Completion in zsh, which quotes values itself. Click's own script forgets an option before a file."""

    name = "zsh"
    source_template = ZshComplete.source_template.replace("_path_files", "compset -P '--*='; _path_files")


@add_completion_class
class WholeTextFishComplete(_WholeWordComplete, FishComplete):
    """Completion in fish, which quotes values itself. Click's own script ends a value or a help text at its first comma."""

    name = "fish"
    source_template = _FISH


@add_completion_class
class PowerShellComplete(_WholeWordComplete):
    """Completion in PowerShell: the line up to the cursor in COMP_WORDS, the word to complete in COMP_CWORD."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """The complete words after the command's name, and the word at the cursor."""
        words, incomplete = split_arg_string(os.environ["COMP_WORDS"])[1:], os.environ["COMP_CWORD"]
        return (words[:-1] if incomplete and words else words), incomplete.lstrip("'\"")

    def format_completion(self, item: CompletionItem) -> str:
        """Its kind, its text and its help, separated by tabs."""
        return f"{item.type}\t{item.value}\t{item.help or item.value}"


@command()
def completion(shell: str = argument("shell", type=click.Choice(_SHELLS))) -> None:
    """Print a script with which a shell completes commands, options, files and folders.

    \b
    clipsearch completion bash >> ~/.bashrc
    clipsearch completion zsh >> ~/.zshrc       # after the line with compinit
    clipsearch completion fish >> ~/.config/fish/config.fish
    clipsearch completion powershell >> $PROFILE

    Then start a new shell.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    say(kind(click.get_current_context().find_root().command, {}, "clipsearch", "_CLIPSEARCH_COMPLETE").source())
