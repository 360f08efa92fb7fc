#!/usr/bin/env python3
"""Every rule of structure.py, broken once in a small tree: the rule must say so, and only it."""

import tempfile
import unittest
from pathlib import Path

import structure

HEADER = "#pragma once\n"


class StructureTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)

    def write(self, path, text=""):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def found(self):
        """What breaks, the build files aside: those have tests of their own."""
        root = self.root
        return [*structure.check_layout(root), *structure.check_includes(root),
                *structure.check_sizes(root)]

    def assert_only(self, *words):
        found = self.found()
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_includes_downwards_and_of_sdk_and_base_are_fine(self):
        self.write("gateway/twin/table.cc", '#include "gateway/effects/effect.h"\n')
        self.write("gateway/base/log.cc", '#include "gateway/sdk/model.h"\n')
        self.write("gateway/codec/json.cc", '#include "gateway/codec/json.h"\n')
        self.write("gateway/main.cc", '#include "gateway/cli/run.h"\n')
        self.write("tests/codec/json_test.cc", '#include "gateway/http/server.h"\n')
        self.assertEqual(self.found(), [])

    def test_an_include_upwards_is_found(self):
        self.write("gateway/codec/json.cc", '#include "gateway/twin/table.h"\n')
        self.assert_only("gateway/codec/json.cc", "gateway/twin/table.h", "rank 4")

    def test_an_include_of_the_same_rank_is_found(self):
        self.write("gateway/codec/json.cc", '#include "gateway/route/router.h"\n')
        self.assert_only("gateway/route/router.h")

    def test_sdk_includes_only_sdk(self):
        self.write("gateway/sdk/model.hpp", HEADER + '#include "gateway/base/status.h"\n')
        self.assert_only("sdk includes only sdk")

    def test_a_gateway_that_includes_a_test_is_found(self):
        self.write("gateway/codec/json.cc", '#include "tests/support/tail.h"\n')
        self.assert_only("tests/support/tail.h")

    def test_an_owned_library_elsewhere_is_found(self):
        for header in ("MQTTClient.h", "mqtt/async_client.h", "sqlite3.h", "dlfcn.h",
                       "boost/asio/ip/tcp.hpp", "simdjson.h"):
            self.write("gateway/twin/table.cc", f"#include <{header}>\n")
            self.assert_only(header)

    def test_a_library_in_two_folders_is_found(self):
        self.write("gateway/twin/a.cc", "#include <strange/a.h>\n")
        self.write("gateway/codec/b.cc", "#include <strange/b.h>\n")
        self.assert_only("strange")

    def test_vocabulary_may_stand_everywhere(self):
        for folder in ("twin", "codec"):
            self.write(f"gateway/{folder}/a.cc", "#include <fmt/format.h>\n#include <sys/stat.h>\n")
        self.assertEqual(self.found(), [])

    def test_unknown_folders_are_found(self):
        self.write("utils/a.txt")
        self.assert_only("utils/")

    def test_an_unranked_folder_is_found(self):
        self.write("gateway/helpers/a.txt")
        self.assert_only("gateway/helpers/")

    def test_a_test_folder_that_mirrors_nothing_is_found(self):
        self.write("tests/things/a.txt")
        self.assert_only("tests/things/")

    def test_a_model_that_lacks_a_file_is_found(self):
        for name in ("README.md", "pump.cc", "pump_test.cc"):
            self.write(f"models/pump/{name}")
        self.assert_only("models/pump/", "pump.json")

    def test_a_model_that_includes_the_gateway_is_found(self):
        for name in ("README.md", "pump_test.cc", "pump.json"):
            self.write(f"models/pump/{name}")
        self.write("models/pump/pump.cc", '#include "models/pump/pump.h"\n'
                   '#include "gateway/sdk/model.hpp"\n#include "gateway/base/status.h"\n')
        self.assert_only("gateway/base/status.h")

    def test_a_long_file_is_found(self):
        self.write("gateway/twin/a.cc", "\n" * 501)
        self.assert_only("501 lines")

    def test_a_header_without_a_guard_is_found(self):
        self.write("gateway/twin/a.h", "\n")
        self.assert_only("#pragma once")


    def test_a_source_that_no_build_file_names_is_found(self):
        self.write("CMakeLists.txt", "add_subdirectory(gateway/twin)\nadd_subdirectory(tests)\n")
        self.write("gateway/twin/CMakeLists.txt", "gemel_library(twin SOURCES a.cc)\n")
        self.write("gateway/twin/a.cc")
        self.write("tests/CMakeLists.txt", "add_subdirectory(twin)\n")
        self.write("tests/twin/CMakeLists.txt", "foreach(name a b)\n g(${name}_test.cc)\n")
        self.write("tests/twin/a_test.cc")
        self.assertEqual(list(structure.check_built(self.root)), [])
        self.write("gateway/twin/aa.cc")
        self.write("tests/twin/c_test.cc")
        self.assertEqual(len(list(structure.check_built(self.root))), 2)

    def test_a_folder_that_is_not_added_is_found(self):
        self.write("tests/CMakeLists.txt")
        self.write("tests/twin/CMakeLists.txt")
        self.write("CMakeLists.txt", "add_subdirectory(tests)\n")
        found = list(structure.check_built(self.root))
        self.assertEqual(len(found), 1, found)
        self.assertIn("tests/twin/", found[0])

    def test_a_model_names_its_files_by_its_name(self):
        self.write("CMakeLists.txt", "add_subdirectory(models/pump)\n")
        self.write("models/pump/CMakeLists.txt", "add_model(pump)\n")
        for suffix in ("", "_device", "_test"):
            self.write(f"models/pump/pump{suffix}.cc")
        self.assertEqual(list(structure.check_built(self.root)), [])


class FunctionLengthTest(unittest.TestCase):
    def lengths(self, text):
        return list(structure.function_lengths(text))

    def test_counts_head_and_body(self):
        self.assertEqual(self.lengths("int F(\n  int a = 3) {\n  return a;\n}\n"), [(1, 4)])

    def test_looks_into_namespaces_and_classes_but_not_into_bodies(self):
        text = ("namespace a {\nclass B : public C {\n int F() const { return 1; }\n"
                " template <class T>\n bool operator==(const T& x) {\n  if (x) {\n  }\n  return true;\n"
                " }\n};\n}\n")
        self.assertEqual(self.lengths(text), [(3, 1), (4, 6)])

    def test_braces_in_text_and_comments_do_not_count(self):
        text = 'void F() {\n  // {\n  G("{", \'{\', R"({{)");\n  /* { */\n}\nvoid H() {}\n'
        self.assertEqual(self.lengths(text), [(1, 5), (6, 1)])

    def test_an_initializer_of_a_constructor_is_a_part_of_it(self):
        text = "A::A() : b_{1},\n  c_(2), d_{3} {\n  F();\n}\n"
        self.assertEqual(self.lengths(text), [(1, 4)])

    def test_a_table_is_not_a_function(self):
        text = "constexpr Row kRows[] = {\n {F(1), 2},\n};\nstruct S {\n int a = F(2);\n};\n"
        self.assertEqual(self.lengths(text), [])

    def test_digit_separators_are_no_literals(self):
        self.assertEqual(self.lengths("int F() {\n return 1'000;\n}\nint G() {\n return 0x1'0;\n}\n"),
                         [(1, 3), (4, 3)])


if __name__ == "__main__":
    unittest.main()
