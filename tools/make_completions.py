#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""make_completions.py fish|zsh NETLAMBDA: prints a completion of netlambda(1), made from what the program's help says of
commands, verbs and options."""
import re
import subprocess
import sys

OPTION = re.compile(r"(?:-(\w), )?--([a-z-]+)(?: ([^\s,]+(?: N)?))?")
VALUES = {"output": "table json yaml", "isolation": "strict best-effort none", "runtime": "nodejs python native",
          "event": "port flow source target interface timer http",
          "trigger": "event:port event:flow event:source event:target event:interface timer:@hourly http:/",
          "reason": "unspecified key-compromise superseded cessation"}
FILES = ("FILE", "PATH", "DIR", "F", "JSON|@FILE")
NAMELESS = ("function new", "function test", "function types", "function list", "function top")  # no deployed function


def ask(program, *words):
    return subprocess.run([program, "help", *words], capture_output=True, text=True, check=True).stdout


def section(text, title):
    """The lines below a title, up to the next empty one."""
    _, found, rest = text.partition(f"\n{title}:\n")
    return rest.split("\n\n", 1)[0].splitlines() if found else []


def entries(text, title):
    """{name: what it is}"""
    return dict(re.match(r"  (\S+) +(.*)", line).groups() for line in section(text, title))


def options(text):
    """(letter or None, name, argument or None, what it is) of each."""
    for line in section(text, "Options") + section(text, "Options of every command"):
        head, _, what = line.strip().partition("  ")
        if head.startswith("-"):
            for letter, name, argument in OPTION.findall(head):
                yield letter or None, name, argument or None, what.strip()


class Command:
    def __init__(self, program, name, summary):
        text = ask(program, *name.split())
        self.name, self.summary, self.options = name, summary, list(options(text))
        self.verbs = [Command(program, f"{name} {verb}", what) for verb, what in entries(text, "Verbs").items()]

    @property
    def last(self):
        return self.name.split()[-1]

    @property
    def takes_functions(self):
        return self.name == "state" or self.name.startswith("function ") and self.name not in NAMELESS

    @property
    def takes_files(self):
        return self.name in ("replay", "decrypt", "pki enroll", "function test")


def commands_of(program):
    return [Command(program, name, what) for name, what in entries(ask(program), "Commands").items()]


# ---- fish ----

def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(condition, option):
    letter, name, argument, what = option
    words = ["complete -c netlambda", f"-n {quoted(condition)}", f"-l {name}"]
    if letter:
        words.append(f"-s {letter}")
    if argument and name in VALUES:
        words.append(f"-x -a {quoted(VALUES[name])}")
    elif argument and name == "function":
        words.append("-x -a '(__netlambda_functions)'")
    elif argument:
        words.append("-r -F" if argument in FILES else "-x")
    return " ".join(words + [f"-d {quoted(what)}"])


def fish_command(command, siblings, front):
    names = " ".join(sibling.last for sibling in siblings)
    within = f"{front}; and " if front else ""
    yield (f"complete -c netlambda -n {quoted(f'{within}not __fish_seen_subcommand_from {names}')} -a {command.last} "
           f"-d {quoted(command.summary)}")
    here = f"{within}__fish_seen_subcommand_from {command.last}"
    for option in command.options:
        yield fish_option(here, option)
    if command.takes_functions:
        yield f"complete -c netlambda -n {quoted(here)} -a '(__netlambda_functions)'"
    if command.takes_files:
        yield f"complete -c netlambda -n {quoted(here)} -F"
    if command.name == "help":
        yield f"complete -c netlambda -n {quoted(here)} -a {quoted(names)}"
    for verb in command.verbs:
        yield from fish_command(verb, command.verbs, here)


FISH_HEAD = """# fish completion for netlambda(1)

# The names of the functions that the server runs now; none if it does not answer.
function __netlambda_functions
    netlambda functions 2>/dev/null | sed -n '/: last failure: /d; 2,$s/ .*//p'
end

complete -c netlambda -f"""


def fish(commands):
    yield FISH_HEAD
    for command in commands:
        yield from fish_command(command, commands, "")


# ---- zsh ----

def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_option(option):
    letter, name, argument, what = option
    action = ""
    if argument:
        kind = (f"({VALUES[name]})" if name in VALUES else "_netlambda_functions" if name == "function" else
                "_files" if argument in FILES else " ")
        action = f":{zsh_text(argument)}:{zsh_text(kind) if kind[0] == '(' else kind}"
    equals = "=" if argument else ""
    yield f"'*--{name}{equals}[{zsh_text(what)}]{action}'"
    if letter:
        yield f"'*-{letter}{'+' if argument else ''}[{zsh_text(what)}]{action}'"


def zsh_list(commands, kind, indent):
    yield f"{indent}{kind}s=("
    for command in commands:
        yield f"{indent}  '{command.last}:{zsh_text(command.summary)}'"
    yield f"{indent})"
    yield f"{indent}_describe {kind} {kind}s"


def zsh_arguments(command, indent):
    rest = ("'*:function:_netlambda_functions'" if command.takes_functions else
            "'*:file:_files'" if command.takes_files else None)
    words = [text for option in command.options for text in zsh_option(option)] + ([rest] if rest else [])
    yield f"{indent}_arguments -s \\"
    yield from (f"{indent}  {word}{' ' + chr(92) if word != words[-1] else ''}" for word in words)


def zsh_level(commands, kind, indent):
    """What completes one of some commands, and then what belongs to it."""
    common = [text for option in commands[0].options for text in zsh_option(option)
              if option[1] in ("output", "socket", "help")]
    yield f"{indent}_arguments -C -s '1:{kind}:->{kind}' '*::argument:->argument' \\"
    yield from (f"{indent}  {word}{' ' + chr(92) if word != common[-1] else ''}" for word in common)
    yield f"{indent}case $state in"
    yield f"{indent}{kind})"
    yield from zsh_list(commands, kind, indent + "  ")
    yield f"{indent}  ;;"
    yield f"{indent}argument)"
    yield f"{indent}  case $words[1] in"
    for command in commands:
        yield f"{indent}  {command.last})"
        yield from (zsh_level(command.verbs, "verb", indent + "    ") if command.verbs
                    else zsh_arguments(command, indent + "    "))
        yield f"{indent}    ;;"
    yield f"{indent}  esac"
    yield f"{indent}  ;;"
    yield f"{indent}esac"


ZSH_HEAD = """#compdef netlambda
# zsh completion for netlambda(1)

# The names of the functions that the server runs now; none if it does not answer.
_netlambda_functions()
{
  local -a names
  names=(${(f)"$(netlambda functions 2>/dev/null | sed -n '/: last failure: /d; 2,$s/ .*//p')"})
  compadd -a names
}

_netlambda()
{
  local curcontext=$curcontext state line
  local -a commands verbs"""


def zsh(commands):
    yield ZSH_HEAD
    yield from zsh_level(commands, "command", "  ")
    yield "}\n\n_netlambda \"$@\""


def main():
    shell, program = sys.argv[1:]
    print("\n".join({"fish": fish, "zsh": zsh}[shell](commands_of(program))))


if __name__ == "__main__":
    main()
