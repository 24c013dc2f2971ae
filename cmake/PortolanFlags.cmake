# Flags and third-party libraries that every target of the project gets, gathered in two interface targets:
# portolan_flags (warnings, hardening, sanitizers) and the imported libraries below.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)

add_library(portolan_flags INTERFACE)
target_include_directories(portolan_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(portolan_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  -fPIE -fstack-protector-strong -fcf-protection)
target_compile_definitions(portolan_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE
  PORTOLAN_VERSION="${PROJECT_VERSION}")
target_link_options(portolan_flags INTERFACE -pie -fuse-ld=lld-19 -Wl,-z,relro,-z,now)
target_link_libraries(portolan_flags INTERFACE fmt::fmt Threads::Threads)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(portolan_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(PORTOLAN_KEYLOG)
  target_compile_definitions(portolan_flags INTERFACE PORTOLAN_KEYLOG)
endif()
if(PORTOLAN_SANITIZE)
  # vptr stays out: it needs the type information of every library. Frame recycling hides use after free in coroutines.
  target_compile_options(portolan_flags INTERFACE -fsanitize=${PORTOLAN_SANITIZE} -fno-sanitize=vptr
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(portolan_flags INTERFACE -fsanitize=${PORTOLAN_SANITIZE})
  target_compile_definitions(portolan_flags INTERFACE BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
endif()
if(PORTOLAN_FUZZ)
  target_compile_options(portolan_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(portolan_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
