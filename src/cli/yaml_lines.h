// Where the values of a document begin. Their paths are told by error messages only, but there are as many as values,
// and each is as long as all names around it together: kept as text, 32 MiB of input would become gigabytes. So each
// name is kept once, and a path is looked for by walking down.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace portolan::cli {

class YamlLines {
 public:
  // In the order of the text: a member or an entry of a list begins, what it holds begins and ends, and it ends.
  void begin_member(std::string_view name, std::size_t line);
  void begin_entry(std::size_t index, std::size_t line);
  void end();

  // The line of the path as json::decode writes it ("resources[3].host"), or of the nearest value around it; 0 if
  // nothing of it is there.
  std::size_t of(std::string_view path) const;

 private:
  static constexpr std::uint32_t kEntry = UINT32_MAX;  // no name: an entry of a list
  // 32 bits are enough for documents of 2 GiB.
  struct Place {
    std::uint32_t line;
    std::uint32_t end;   // behind the places of what it holds, which follow it
    std::uint32_t name;  // where in names_ its name begins
    std::uint32_t size;  // of the name; of an entry its index
  };

  void begin(Place place);
  // How much of the path the place is: of "tags.env" the member "tags" is four bytes. 0: it is not on that path.
  std::size_t matched(const Place& place, std::string_view path, bool outermost) const;

  std::vector<Place> places_;
  std::string names_;
  std::vector<std::uint32_t> open_;  // the places that have not ended yet
};

}  // namespace portolan::cli
