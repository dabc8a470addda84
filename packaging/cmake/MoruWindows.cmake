# SPDX-License-Identifier: GPL-3.0-or-later
# moru_windows_program(TARGET): a program without a console window, with the icon, the version and
# the manifest that Explorer and Windows read in it.
function(moru_windows_program target)
    find_program(ICOTOOL icotool)
    if(NOT ICOTOOL)
        message(FATAL_ERROR "icotool was not found; it makes the .ico file (Debian: icoutils)")
    endif()
    set(drawing ${PROJECT_SOURCE_DIR}/resources/io.moru.Desktop.svg)
    set(icon ${CMAKE_CURRENT_BINARY_DIR}/moru-desktop.ico)
    set(manifest ${PROJECT_SOURCE_DIR}/packaging/msi/moru-desktop.manifest)
    set(commands)
    set(pictures)
    foreach(size IN ITEMS 16 20 24 32 40 48 64)
        set(picture ${CMAKE_CURRENT_BINARY_DIR}/moru-desktop-${size}.png)
        list(APPEND commands COMMAND ${RSVG_CONVERT} -w ${size} -h ${size} -o ${picture} ${drawing})
        list(APPEND pictures ${picture})
    endforeach()
    # The largest is kept as PNG, which every Windows since Vista reads and which is far smaller.
    set(large ${CMAKE_CURRENT_BINARY_DIR}/moru-desktop-256.png)
    add_custom_command(OUTPUT ${icon} ${commands}
                       COMMAND ${RSVG_CONVERT} -w 256 -h 256 -o ${large} ${drawing}
                       COMMAND ${ICOTOOL} --create --output=${icon} ${pictures} --raw=${large}
                       DEPENDS ${drawing} COMMENT "Drawing the program's icon" VERBATIM)

    string(REPLACE "." "," numbers "${PROJECT_VERSION}.0")
    set(resources ${CMAKE_CURRENT_BINARY_DIR}/moru-desktop.rc)
    configure_file(${PROJECT_SOURCE_DIR}/packaging/msi/moru-desktop.rc.in ${resources} @ONLY)
    set_source_files_properties(${resources} PROPERTIES OBJECT_DEPENDS "${icon};${manifest}")

    target_sources(${target} PRIVATE ${resources})
    set_target_properties(${target} PROPERTIES WIN32_EXECUTABLE ON)
endfunction()
