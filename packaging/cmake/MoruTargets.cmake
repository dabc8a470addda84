# Flags every target of ours shares, and the two functions that make a layer and a test.
# Generated and third-party code never links moru_flags.
add_library(moru_flags INTERFACE)
target_compile_options(moru_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wno-psabi
    $<$<BOOL:${MORU_WERROR}>:-Werror>
    # In a unity build every file is an included one, whose types GCC says others could see.
    $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<CXX_COMPILER_ID:GNU>>:-Wno-subobject-linkage>
    # GCC 12 takes std::string for overlapping itself (GCC bug 105651).
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    # What GCC's optimiser guesses about data flow changes with its version and level, and is wrong
    # often enough (GCC 12, -O3, std::optional) that it warns without failing.
    $<$<AND:$<BOOL:${MORU_WERROR}>,$<CXX_COMPILER_ID:GNU>>:-Wno-error=maybe-uninitialized;-Wno-error=array-bounds;-Wno-error=stringop-overflow;-Wno-error=stringop-overread;-Wno-error=dangling-pointer;-Wno-error=free-nonheap-object>)
target_compile_definitions(moru_flags INTERFACE
    QT_NO_CAST_FROM_ASCII QT_NO_CAST_TO_ASCII QT_NO_FOREACH QT_NO_URL_CAST_FROM_STRING
    QT_DISABLE_DEPRECATED_BEFORE=0x060400
    MORU_VERSION="${PROJECT_VERSION}"
    $<$<CONFIG:Debug,RelWithDebInfo>:_GLIBCXX_ASSERTIONS>)
target_include_directories(moru_flags INTERFACE ${PROJECT_SOURCE_DIR})

if(MORU_FUZZ)
    # The libraries too: without their branches libFuzzer searches blindly.
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(MORU_SANITIZE)
    # Of UBSan's checks those are off that AddressSanitizer's own report makes superfluous, or that
    # look at every pointer: together they double the time it takes to compile.
    add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,alignment,object-size,vptr
        -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()

# moru_layer(NAME [QT] LIBS ... [ALONE FILES ...] [EXCLUDE FILES ...]): a static library of all .cpp
# files of the current folder. ALONE names those that a unity build must not join to others, because
# their unnamed namespaces use names that others use too; EXCLUDE those of another system.
# A layer links only what architecture allows it to use; includes are written from the root
# of the project ("app/core/result.h").
function(moru_layer name)
    cmake_parse_arguments(arg "QT;RECURSE" "" "LIBS;ALONE;EXCLUDE" ${ARGN})
    if(arg_RECURSE)
        file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cpp *.h)
    else()
        file(GLOB sources CONFIGURE_DEPENDS *.cpp *.h)
    endif()
    list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
    foreach(file IN LISTS arg_EXCLUDE)
        list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    endforeach()
    if(NOT sources MATCHES "\\.cpp")
        add_library(${name} INTERFACE) # headers only
        target_link_libraries(${name} INTERFACE ${arg_LIBS})
        return()
    endif()
    add_library(${name} STATIC ${sources})
    set_source_files_properties(${arg_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    target_link_libraries(${name} PUBLIC ${arg_LIBS} PRIVATE moru_flags)
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
    if(arg_QT)
        set_target_properties(${name} PROPERTIES AUTOMOC ON)
    endif()
endfunction()

# moru_qt_test(NAME SOURCES ... LIBS ... [TIMEOUT s] [SERIAL]): a Qt Test program that runs offscreen
# with a home of its own.
function(moru_qt_test name)
    cmake_parse_arguments(arg "SERIAL" "TIMEOUT" "SOURCES;LIBS;ENV" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES AUTOMOC ON)
    target_link_libraries(${name} PRIVATE ${arg_LIBS} Qt6::Test moru_flags)
    add_test(NAME ${name} COMMAND ${name})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    if(MORU_SANITIZE)
        math(EXPR arg_TIMEOUT "3 * ${arg_TIMEOUT}")
    endif()
    set(home ${CMAKE_BINARY_DIR}/test-home/${name})
    file(MAKE_DIRECTORY ${home})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT}
        ENVIRONMENT "QT_QPA_PLATFORM=offscreen;LC_ALL=C.UTF-8;HOME=${home};XDG_CONFIG_HOME=${home}/config;XDG_DATA_HOME=${home}/data;XDG_STATE_HOME=${home}/state;XDG_CACHE_HOME=${home}/cache;MORU_BIN_DIR=${CMAKE_BINARY_DIR}/bin;MORU_SOURCE_DIR=${PROJECT_SOURCE_DIR};ASAN_OPTIONS=detect_leaks=0;${arg_ENV}")
    if(arg_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# moru_script_test(NAME COMMAND ... [TIMEOUT s] [SERIAL] [ENV ...]): any other program as a test.
function(moru_script_test name)
    cmake_parse_arguments(arg "SERIAL" "TIMEOUT" "COMMAND;ENV" ${ARGN})
    add_test(NAME ${name} COMMAND ${arg_COMMAND})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77
        ENVIRONMENT "MORU_BIN_DIR=${CMAKE_BINARY_DIR}/bin;MORU_SOURCE_DIR=${PROJECT_SOURCE_DIR};${arg_ENV}")
    if(arg_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()
