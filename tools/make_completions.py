#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""make_completions.py fish|zsh PROGRAM: prints a completion of one of our programs, made from what its help says of
commands, verbs and options."""
import pathlib
import re
import subprocess
import sys

OPTION_LINE = re.compile(r" +(?:-\w, )?--[a-z]")
OPTION = re.compile(r"(?:-(\w), )?--([a-z-]+)(?: ([^\s,]+(?: N)?)|\[=([^\]]+)\])?")
CONTINUED = re.compile(r"\n {8,}(?=[^\s-])")
EXAMPLES = re.compile(r"\nExamples:\n.*?(?:\n\n|\Z)", re.S)  # the options in them are not said to be some
LEVELS = "error warning info debug"
TUNNELS = "all ipip 6in4 gre vxlan geneve gtp"
VALUES = {"output": "table json yaml", "isolation": "strict best-effort none", "runtime": "nodejs python native",
          "event": "port flow source target interface timer http",
          "trigger": "event:port event:flow event:source event:target event:interface timer:@hourly http:/",
          "reason": "unspecified key-compromise superseded cessation",
          "log-level": LEVELS, "inside": TUNNELS, "mode": "auto native generic", "protocol": "2 1",
          "replay output": "table json", "function new trigger": "event:port http:/ timer:@hourly"}  # of one command alone
FILES = ("FILE", "PATH", "DIR", "F", "JSON|@FILE")
FISH_LISTS = {"NAME function": "(__netlambda_functions)", "IF... interface": "(__fish_print_interfaces)",
              "NAME user": "(__fish_complete_users)", "USER owner": "(__fish_complete_users)"}
ZSH_LISTS = {"NAME function": "_netlambda_functions", "IF... interface": "_net_interfaces", "NAME user": "_users",
             "USER owner": "_users"}
NAMELESS = ("function new", "function test", "function types", "function list", "function top")  # no deployed function


def ask(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout


def section(text, title):
    """The lines below a title, up to the next empty one."""
    _, found, rest = text.partition(f"\n{title}:\n")
    return rest.split("\n\n", 1)[0].splitlines() if found else []


def entries(text, title):
    """{name: what it is}"""
    return dict(re.match(r"  (\S+) +(.*)", line).groups() for line in section(text, title))


class Option:
    """`values`: words, or None; `argument`: None, or as the help has it, which may be left out if it is `optional`."""

    def __init__(self, command, match, what):
        letter, self.name, needed, self.optional = match.groups()
        self.letter, self.argument, self.what = letter, needed or self.optional, what
        self.values = self.argument and VALUES.get(f"{command} {self.name}", VALUES.get(self.name))

    @property
    def kind(self):
        return f"{self.argument} {self.name}"


def options(command, text):
    for line in CONTINUED.sub(" ", EXAMPLES.sub("\n", text)).splitlines():
        if OPTION_LINE.match(line):
            head, _, what = line.strip().partition("  ")
            matches = list(OPTION.finditer(head))
            if not what:  # no room for two spaces
                head, what = head[:matches[0].end()], head[matches[0].end():]
            for match in OPTION.finditer(head):
                yield Option(command, match, what.strip().partition(";")[0])


class Command:
    def __init__(self, program, name, summary):
        text = ask(program, "help", *name.split())
        self.name, self.summary, self.options = name, summary, list(options(name, text))
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
    """Those of netlambda; the others have none."""
    return [Command(program, name, what) for name, what in entries(ask(program, "--help"), "Commands").items()]


# ---- fish ----

def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(program, condition, option):
    words = [f"complete -c {program}", *([f"-n {quoted(condition)}"] if condition else []), f"-l {option.name}"]
    if option.letter:
        words.append(f"-s {option.letter}")
    if option.values:
        words.append(f"-x -a {quoted(option.values)}")
    elif option.kind in FISH_LISTS:
        words.append(f"-x -a '{FISH_LISTS[option.kind]}'")
    elif option.argument and not option.optional:
        words.append("-r -F" if option.argument in FILES else "-x")
    return " ".join(words + [f"-d {quoted(option.what)}"])


def fish_command(command, siblings, front):
    names = " ".join(sibling.last for sibling in siblings)
    within = f"{front}; and " if front else ""
    yield (f"complete -c netlambda -n {quoted(f'{within}not __fish_seen_subcommand_from {names}')} -a {command.last} "
           f"-d {quoted(command.summary)}")
    here = f"{within}__fish_seen_subcommand_from {command.last}"
    for option in command.options:
        yield fish_option("netlambda", here, option)
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


def fish(name, commands, own):
    if not commands:
        yield f"# fish completion for {name}(8)\n\ncomplete -c {name} -f"
        yield from (fish_option(name, "", option) for option in own)
        return
    yield FISH_HEAD
    yield from (fish_option(name, "__fish_use_subcommand", option) for option in own)
    for command in commands:
        yield from fish_command(command, commands, "")


# ---- zsh ----

def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_option(option):
    argument, action = option.argument, ""
    if argument:
        kind = (zsh_text(f"({option.values})") if option.values else ZSH_LISTS[option.kind] if option.kind in ZSH_LISTS else
                "_files" if argument in FILES else " ")
        action = f":{':' if option.optional else ''}{zsh_text(argument)}:{kind}"
    equals = "=-" if option.optional else "=" if argument else ""
    yield f"'*--{option.name}{equals}[{zsh_text(option.what)}]{action}'"
    if option.letter:
        yield f"'*-{option.letter}{'+' if argument else ''}[{zsh_text(option.what)}]{action}'"


def zsh_list(commands, kind, indent):
    yield f"{indent}{kind}s=("
    for command in commands:
        yield f"{indent}  '{command.last}:{zsh_text(command.summary)}'"
    yield f"{indent})"
    yield f"{indent}_describe {kind} {kind}s"


def zsh_call(words, indent):
    """A command of many words, one a line."""
    yield " \\\n".join([f"{indent}{words[0]}", *(f"{indent}  {word}" for word in words[1:])])


def zsh_options(some):
    return [text for option in some for text in zsh_option(option)]


def zsh_arguments(command, indent):
    rest = (["'*:function:_netlambda_functions'"] if command.takes_functions else
            ["'*:file:_files'"] if command.takes_files else [])
    yield from zsh_call(["_arguments -s", *zsh_options(command.options), *rest], indent)


def zsh_level(commands, kind, indent, own):
    """What completes one of some commands, and then what belongs to it; `own` are the options in front."""
    yield from zsh_call([f"_arguments -C -s '1:{kind}:->{kind}' '*::argument:->argument'", *zsh_options(own)], indent)
    yield f"{indent}case $state in"
    yield f"{indent}{kind})"
    yield from zsh_list(commands, kind, indent + "  ")
    yield f"{indent}  ;;"
    yield f"{indent}argument)"
    yield f"{indent}  case $words[1] in"
    for command in commands:
        yield f"{indent}  {command.last})"
        yield from (zsh_level(command.verbs, "verb", indent + "    ", command.options) if command.verbs
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


def zsh(name, commands, own):
    if not commands:
        yield f"#compdef {name}\n# zsh completion for {name}(8)\n"
        yield from zsh_call(["_arguments -s", *zsh_options(own)], "")
        return
    yield ZSH_HEAD
    yield from zsh_level(commands, "command", "  ", own)
    yield "}\n\n_netlambda \"$@\""


def main():
    shell, program = sys.argv[1:]
    name = pathlib.Path(program).name
    own = list(options(name, ask(program, "--help")))
    print("\n".join({"fish": fish, "zsh": zsh}[shell](name, commands_of(program), own)))


if __name__ == "__main__":
    main()
