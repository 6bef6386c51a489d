"""`clipsearch completion`."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    CompletionItem,
    FishComplete,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from clipsearch.cli.command import argument, command
from clipsearch.cli.output import say

_SHELLS = ("bash", "zsh", "fish", "powershell")
_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $position)
    $typed = $line.ToString()
    $env:COMP_WORDS = $typed.Substring(0, [Math]::Min($typed.Length, $position - $line.Extent.StartOffset))
    $env:COMP_CWORD = $word
    $env:%(complete_var)s = "powershell_complete"
    try {
        %(prog_name)s | ForEach-Object {
            $kind, $value, $help = $_ -split "`t", 3
            if ($kind -eq "plain") {
                [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $help)
            } else {
                [System.Management.Automation.CompletionCompleters]::CompleteFilename($value) |
                    Where-Object { $kind -eq "file" -or $_.ResultType -eq "ProviderContainer" }
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
    for completion in (%(prog_name)s)
        set -l parts (string split --max 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                printf "%%s\\n" $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


@add_completion_class
class WholeTextFishComplete(FishComplete):
    """Completion in fish. Click's own script ends a value or a help text at its first comma."""

    name = "fish"
    source_template = _FISH


@add_completion_class
class PowerShellComplete(ShellComplete):
    """Completion in PowerShell: the line up to the cursor in COMP_WORDS, the word to complete in COMP_CWORD."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """The complete words after the command's name, and the word at the cursor."""
        words, incomplete = split_arg_string(os.environ["COMP_WORDS"])[1:], os.environ["COMP_CWORD"]
        return (words[:-1] if incomplete and words else words), incomplete

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
