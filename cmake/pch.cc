// Carries the precompiled header of all modules (see pch.h) and, once for all of them, Asio's out-of-line parts
// (BOOST_ASIO_SEPARATE_COMPILATION halves the compile time of every file that uses Asio).
#include <boost/asio/impl/src.hpp>
