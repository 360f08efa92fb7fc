# What a folder's CMakeLists.txt may say: gemel_library, gemel_test, gemel_fuzz, add_model,
# add_script.

add_library(gemel_flags INTERFACE)
target_include_directories(gemel_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(gemel_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Werror
  # Designated initializers leave out on purpose what stays at its default.
  -Wno-missing-field-initializers
  # gcc 12 sees overlaps in "literal" + std::string that aren't there (its bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  -fno-omit-frame-pointer)
if(CMAKE_UNITY_BUILD)
  # Several files compiled as one see each other's names, which is nothing to warn of.
  target_compile_options(gemel_flags INTERFACE -Wno-shadow -Wno-subobject-linkage)
endif()
if(GEMEL_SANITIZE)
  target_compile_options(gemel_flags INTERFACE -fsanitize=${GEMEL_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(gemel_flags INTERFACE -fsanitize=${GEMEL_SANITIZE})
  if(GEMEL_SANITIZE MATCHES address)
    # These take a third of the time to compile. AddressSanitizer or the processor notices most of it
    # as well, but for vptr and pointer-overflow, which nobody looks for then. Alignment only where
    # bytes are read in place, see gemel_library.
    target_compile_options(gemel_flags INTERFACE
      -fno-sanitize=null,vptr,object-size,nonnull-attribute,returns-nonnull-attribute,pointer-overflow
      $<$<NOT:$<BOOL:$<TARGET_PROPERTY:GEMEL_IN_PLACE>>>:-fno-sanitize=alignment>)
  endif()
endif()

if(GEMEL_FUZZ)
  target_compile_options(gemel_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# gemel_library(base SOURCES a.cc ... DEPENDS gemel_x fmt::fmt ...): the static library gemel_base.
# IN_PLACE for one that reads bytes as what they are said to be.
function(gemel_library name)
  cmake_parse_arguments(ARG "IN_PLACE" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(gemel_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(gemel_${name} PUBLIC gemel_flags ${ARG_DEPENDS})
  set_target_properties(gemel_${name} PROPERTIES GEMEL_IN_PLACE ${ARG_IN_PLACE})
endfunction()

# gemel_test(base SOURCES a_test.cc ... DEPENDS ...): the test program base_test, run by ctest.
function(gemel_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE gemel_flags ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name}_test)
  # tests/run counts cases, not programs.
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/results/${name}.xml")
endfunction()

# gemel_fuzz(config SOURCES config_fuzz.cc DEPENDS ...): the libFuzzer program config_fuzz, built by
# `cmake --preset fuzz && cmake --build --preset fuzz` and run by hand.
function(gemel_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name}_fuzz ${ARG_SOURCES})
  target_link_libraries(${name}_fuzz PRIVATE gemel_flags ${ARG_DEPENDS})
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name}_fuzz)
endfunction()

# add_model(truck): the plug-in truck.so from truck.cc (and truck_device.cc where there is one), and
# its test from truck_test.cc. All that a model author writes; further sources may follow the name.
function(add_model name)
  set(sources ${name}.cc ${ARGN})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}_device.cc)
    list(APPEND sources ${name}_device.cc)
  endif()
  add_library(${name} MODULE ${sources})
  target_link_libraries(${name} PRIVATE gemel_flags gemel_sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX "" CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/gemel/models)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}_test.cc)
    gemel_test(model_${name} SOURCES ${name}_test.cc ${sources} DEPENDS gemel_sdk gemel_testkit)
  endif()
endfunction()

# add_script(machine): the model machine.lua, which is not built, and its test from machine_test.cc,
# to which MACHINE_SCRIPT is the path.
function(add_script name)
  gemel_test(model_${name} SOURCES ${name}_test.cc DEPENDS gemel_sdk gemel_testkit)
  string(TOUPPER ${name} upper)
  target_compile_definitions(model_${name}_test PRIVATE
    ${upper}_SCRIPT="${CMAKE_CURRENT_SOURCE_DIR}/${name}.lua")
endfunction()
