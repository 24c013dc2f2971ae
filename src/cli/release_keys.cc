// portolan release keygen and sign: what is done where the private keys are.
#include <fmt/format.h>

#include "base/file.h"
#include "cli/exit.h"
#include "cli/release.h"
#include "cli/secrets.h"
#include "update/key_file.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string file;
  std::string key_file;
  std::string passphrase_file;
  bool ask = false;
};

struct KeyMade {
  std::string private_key;  // files
  std::string public_key;
  std::string key;  // as documents call it
};
BOOST_DESCRIBE_STRUCT(KeyMade, (), (private_key, public_key, key))

struct Signed {
  std::string file;
  std::string kind;
  std::string key;
  std::size_t signatures = 0;
};
BOOST_DESCRIBE_STRUCT(Signed, (), (file, kind, key, signatures))

Result<std::optional<Secret>> passphrase_of(const Options& options) {
  if (options.passphrase_file.empty()) return std::optional<Secret>();
  PL_TRY(auto secret, secret_from_file(options.passphrase_file));
  return std::optional(std::move(secret));
}

Result<std::optional<Secret>> new_passphrase(const Options& options) {
  if (!options.ask) return passphrase_of(options);
  if (!options.passphrase_file.empty()) return wrong_usage("give one of --passphrase and --passphrase-file");
  PL_TRY(auto first, ask_secret("Passphrase: "));
  PL_TRY(const auto second, ask_secret("Passphrase again: "));
  if (first.reveal() != second.reveal()) return fail(Code::kInvalid, "the two passphrases are not the same");
  return std::optional(std::move(first));
}

Result<> keygen(Context& context, Options& options) {
  PL_TRY(const auto passphrase, new_passphrase(options));
  const auto key = crypto::Ed25519PrivateKey::generate();
  PL_CHECK(update::write_key(options.file, key, passphrase));
  const KeyMade made{options.file, options.file + ".pub", update::key_text(key.public_key())};
  if (context.out.json) {
    context.out.object(made);
    return {};
  }
  context.out.note(fmt::format(
      "The private key is in {}, {}; keep it where no release is built, and a copy of it "
      "elsewhere.\nThe public key is in {}: {}",
      made.private_key, passphrase ? "sealed with the passphrase" : "for its owner alone", made.public_key, made.key));
  return {};
}

Result<crypto::Ed25519PrivateKey> signing_key(const Options& options) {
  PL_TRY(const auto passphrase, passphrase_of(options));
  auto key = update::read_key(options.key_file, passphrase);
  if (!key && key.error().reason == update::kNeedsPassphrase) {
    auto answer = ask_secret(fmt::format("Passphrase of {}: ", options.key_file));
    if (answer) key = update::read_key(options.key_file, std::move(*answer));
  }
  // A file that cannot be read is no decision about access.
  if (!key && key.error().code == Code::kDenied) key.error().code = Code::kInvalid;
  return key;
}

Result<> sign(Context& context, Options& options) {
  PL_TRY(auto document, read_release_document(options.file));
  PL_TRY(const auto key, signing_key(options));
  update::sign(document.kind, document.envelope, key);
  PL_CHECK(write_file(options.file, update::encode_envelope(document.envelope), Privacy::kPublic));
  const Signed done{options.file, std::string(update::name_of(document.kind)), update::key_text(key.public_key()),
                    document.envelope.signatures.size()};
  if (context.out.json) {
    context.out.object(done);
    return {};
  }
  context.out.note(fmt::format("Signed the {} in {} with {}; it has {} signature{} now.", done.kind, done.file,
                               done.key, done.signatures, done.signatures == 1 ? "" : "s"));
  return {};
}

}  // namespace

void add_release_keys(CLI::App& release, Context& context) {
  CLI::App& made = add_command(release, context, "keygen", "make a key to sign with",
                               "portolan release keygen /media/usb/root.key --passphrase");
  auto making = std::make_shared<Options>();
  made.add_option("file", making->file, "where the private key goes; the public one goes to FILE.pub")->required();
  made.add_flag("--passphrase", making->ask, "seal it with a passphrase, which is asked for");
  made.add_option("--passphrase-file", making->passphrase_file,
                  "seal it with the passphrase in this file, - for standard input");
  on_chosen(made, context, making, keygen);

  CLI::App& app = add_command(release, context, "sign", "sign a root document or a manifest",
                              "portolan release sign manifest.json --key-file /media/usb/release.key");
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "the document, which gets one signature more")->required();
  app.add_option("--key-file", options->key_file, "the private key, as keygen made it")->required();
  app.add_option("--passphrase-file", options->passphrase_file,
                 "a file with its passphrase, - for standard input; else a question where one is needed");
  on_chosen(app, context, options, sign);
}

}  // namespace portolan::cli
