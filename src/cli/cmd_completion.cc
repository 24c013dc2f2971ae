// portolan completion SHELL: a script for the shell, which asks the program itself what may come next (complete.h).
#include <map>

#include "cli/command.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string shell;
};

constexpr std::string_view kBash = R"SCRIPT(# bash completion for portolan: portolan completion bash --help
_portolan() {
  local value description
  COMPREPLY=()
  while IFS=$'\t' read -r value description; do
    if [[ $value == :files ]]; then
      compopt -o default
      COMPREPLY=()
      return
    fi
    COMPREPLY+=("$(printf '%q' "$value")")
  done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _portolan portolan
)SCRIPT";

constexpr std::string_view kZsh = R"SCRIPT(#compdef portolan
# zsh completion for portolan: portolan completion zsh --help
_portolan() {
  local value description
  local -a candidates
  while IFS=$'\t' read -r value description; do
    if [[ $value == :files ]]; then
      _files
      return
    fi
    candidates+=("${value//:/\\:}:$description")
  done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe portolan candidates
}
if [[ ${funcstack[1]} == _portolan ]]; then
  _portolan "$@"
else
  compdef _portolan portolan
fi
)SCRIPT";

constexpr std::string_view kFish = R"SCRIPT(# fish completion for portolan: portolan completion fish --help
function __portolan_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in ($program __complete $words "$current" 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path $current
        else
            echo $line
        end
    end
end
complete -c portolan -f -a '(__portolan_complete)'
)SCRIPT";

Result<> run(Context& context, Options& options) {
  const std::map<std::string_view, std::string_view> scripts = {{"bash", kBash}, {"zsh", kZsh}, {"fish", kFish}};
  const auto found = scripts.find(options.shell);
  if (found == scripts.end())
    return wrong_usage("no completion for " + quoted(options.shell) + "; there is one for bash, zsh and fish");
  context.out.text(found->second);
  return {};
}

}  // namespace

void add_completion(CLI::App& root, Context& context) {
  CLI::App& app = add_command(
      root, context, "completion", "a script that lets your shell complete portolan's commands",
      "portolan completion bash > ~/.local/share/bash-completion/completions/portolan\n"
      "  portolan completion zsh  > ~/.zfunc/_portolan      with fpath+=~/.zfunc before compinit in ~/.zshrc\n"
      "  portolan completion fish > ~/.config/fish/completions/portolan.fish\n\n"
      "For the running shell alone: source <(portolan completion bash). The script asks the program, so it need not be "
      "printed again after an update.");
  auto options = std::make_shared<Options>();
  app.add_option("shell", options->shell, "bash, zsh or fish")->required();
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
