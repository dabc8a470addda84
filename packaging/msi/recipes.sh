# SPDX-License-Identifier: GPL-3.0-or-later
# The libraries that moru-desktop links on Windows. To add one: a recipe line after those it needs,
# and a function build_NAME (with _ for what a name of a function cannot hold) that installs into
# $prefix what it makes of $source; files it brings along are in a folder of its name beside this.
# What is cached depends on all of these, so that a change here builds it, and what needs it, anew.

#      source package  version           sum of the .dsc                                                  needs
headers libexpected-dev 1.0.0~dfsg-3    f6ff083e016e77fc51a359f6afd6947f496dbb55db47857e31de384177a7fbf1
recipe simdjson        3.0.1-1           83aae46d3ab6729f8dffe0755e3e780f5052120bc9dadf012898b6c2fb9b574b
recipe protobuf        3.21.12-3+deb12u1 22e31f6dfc06d85a9054bf19603a412698c0d2f760a754650cd2385ea303cee0
recipe libvterm        0.1.4-1           0e25ac00619061611e3d019592eca5561de1dbe09165353868a419e6138fcc3e
recipe qt6-base        6.4.2+dfsg-10     1b4b5c8610a553d4211fa81e268b1a3b0a6339ae5444fdb7e60d7616da651970
recipe qscintilla2     2.13.3+dfsg-3     17b1aa625eef7c860bb51c8fb579d4e64fca683bc93de05ff49803c782d5143d qt6-base

# Only a header and what CMake finds it by.
build_libexpected_dev() {
    mkdir -p "$prefix"
    cp -r "$source/usr/include" "$source/usr/share" "$prefix/"
}

build_simdjson() { cmake_build "$source" -DBUILD_SHARED_LIBS=OFF -DSIMDJSON_DEVELOPER_MODE=OFF; }

# Only the library: protoc is this machine's, which Debian builds from the same source.
build_protobuf() {
    cmake_build "$source" -DBUILD_SHARED_LIBS=OFF -Dprotobuf_BUILD_TESTS=OFF \
        -Dprotobuf_BUILD_PROTOC_BINARIES=OFF -Dprotobuf_WITH_ZLIB=OFF
}

build_libvterm() { cmake_build "$msi_dir/libvterm" -DVTERM_SOURCE="$source"; }

# TLS is Windows' own (Schannel). Qt Test is for tests that run under Wine. A tablet's header is not in Debian's copy of the source. Drawing is
# done by the CPU: nothing in the program is made with OpenGL.
build_qt6_base() {
    cmake_build "$source" \
        -DQT_QMAKE_TARGET_MKSPEC=win32-g++ -DBUILD_SHARED_LIBS=ON \
        -DQT_BUILD_EXAMPLES=OFF -DQT_BUILD_TESTS=OFF -DQT_BUILD_TOOLS_WHEN_CROSSCOMPILING=OFF \
        -DFEATURE_sql=OFF -DFEATURE_dbus=OFF -DFEATURE_xml=OFF \
        -DFEATURE_opengl=OFF -DINPUT_opengl=no -DFEATURE_vulkan=OFF -DFEATURE_tabletevent=OFF \
        -DFEATURE_openssl=OFF -DINPUT_openssl=no -DFEATURE_schannel=ON \
        -DFEATURE_icu=OFF -DFEATURE_glib=OFF -DFEATURE_zstd=OFF -DFEATURE_system_zlib=OFF \
        -DFEATURE_pkg_config=OFF
}

build_qscintilla2() { cmake_build "$msi_dir/qscintilla2" -DQSCINTILLA_SOURCE="$source"; }
