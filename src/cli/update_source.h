// Where releases come from and whose they are: options of `portolan update` and `portolan node`, and what is known of
// the control plane.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "cli/settings.h"
#include "update/root.h"
#include "update/source.h"

namespace portolan::cli {

struct UpdateSourceOptions {
  std::string prefix = "--";  // of the options' names: "--from", or "--update-from" with "--update-"
  std::string channel = "stable";
  std::string from = {};
  std::string ca_file = {};
  std::string root_key = {};
};

void add_update_source_options(Settings& settings, UpdateSourceOptions& options);

// The control plane that the downloads are beside, and the pinned authority of its operator, if that is known.
struct ControlKnown {
  std::string address;
  std::string ca_pem = {};
};

// The address given; else that of the region's downloads, beside the control plane (app.us.example has
// downloads.us.example).
Result<update::SourceOptions> update_source(const UpdateSourceOptions& options,
                                            const std::optional<ControlKnown>& control);
// The file given; else what this program was built with.
Result<update::KeySet> update_anchor(const UpdateSourceOptions& options);

// An error of an update, for an exit status: releases that are refused are no decision about a person's access, and a
// program that does not start is no server out of reach.
Error as_failure(Error error);

}  // namespace portolan::cli
