// Puts a program in the place of another, so that at every moment, also after a crash, one of the two is there whole,
// and goes back if the new one does not start. Everything lies in the folder of the program: a rename there is atomic.
//
//   portolan                     the program
//   .portolan.part-1.2.3         what is being downloaded
//   .portolan.previous           the program before, for going back (a second name of its file where that can be)
//
// Blocks for as long as the program takes to tell its version.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "update/version.h"

namespace portolan::update {

struct Place {
  std::filesystem::path program;                                     // absolute, no symbolic link
  std::chrono::milliseconds start_limit = std::chrono::seconds(20);  // for `PROGRAM --version`
};

// Of the program that runs now. Code::kNotFound if its file has gone.
Result<Place> this_place();
std::filesystem::path part_of(const Place& place, const Version& version);
std::filesystem::path previous_of(const Place& place);
// Whether the folder can be written to, and the program is ours to replace; the error says what to do.
Result<> check_replaceable(const Place& place);

// Runs `PROGRAM --version`, kills it at the limit, and takes the line "portolan VERSION" only. Code::kUnavailable tells
// what happened instead.
Result<std::string> told_version(const std::filesystem::path& program, std::chrono::milliseconds limit);

// Makes `part` executable, sees that it starts and is `version`, keeps the present program as the previous one, puts
// the new one in its place, and sees that it starts there; if it does not, the present program comes back and the error
// has the reason kDoesNotStart. `part` has gone afterwards, whatever happened.
inline constexpr std::string_view kDoesNotStart = "does_not_start";
Result<> install(const Place& place, const std::filesystem::path& part, const Version& version);

// Puts the previous program, if it starts, back into its place; what was there becomes the previous one. Its version.
Result<std::string> go_back(const Place& place);

// Removes part files of versions other than `kept`, which nobody will go on with.
void remove_parts(const Place& place, const std::string& kept);

}  // namespace portolan::update
