/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code generators take the introspection XML as it is, what they make can be used, and so can the
 * helper by other libraries.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "bus/disk/image-fixture.h"

#define XML SOURCE_DIR "/introspection/org.banger.Helper1.xml"

/* Reads the file argv[2] of the image argv[1] by the proxy that gdbus-codegen made. */
static const char gdbus_client[] =
    "#include \"proxy.h\"\n"
    "#include <stdio.h>\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "    GError *error = NULL;\n"
    "    GVariant *data = NULL;\n"
    "    BangerHelper1 *proxy = banger_helper1_proxy_new_for_bus_sync(\n"
    "        G_BUS_TYPE_SYSTEM, G_DBUS_PROXY_FLAGS_NONE, \"org.banger.Helper1\",\n"
    "        \"/org/banger/Helper1\", NULL, &error);\n"
    "    gsize length;\n"
    "    if (argc != 3 || proxy == NULL ||\n"
    "        !banger_helper1_call_read_ext4_file_sync(proxy, argv[1], argv[2], \"\", &data, NULL,\n"
    "                                                 &error)) {\n"
    "        fprintf(stderr, \"%s\\n\", error != NULL ? error->message : \"usage\");\n"
    "        return 1;\n"
    "    }\n"
    "    const char *bytes = g_variant_get_fixed_array(data, &length, 1);\n"
    "    fwrite(bytes, 1, length, stdout);\n"
    "    return 0;\n"
    "}\n";

/* The types that the XML names for Qt, as a client has to declare them. */
static const char qt_types[] =
    "#pragma once\n"
    "#include <QtDBus>\n"
    "struct BangerFile { QString guestPath; QByteArray data; uint mode; };\n"
    "struct BangerMachine { QString id; QString state; uint leader; QDBusObjectPath object; };\n"
    "struct BangerDescriptor { QString guestPath; QDBusUnixFileDescriptor content; uint mode; };\n"
    "struct BangerReconciled { QString kind; QString name; QString action; };\n"
    "typedef QList<BangerReconciled> BangerReconciledList;\n"
    "Q_DECLARE_METATYPE(BangerReconciled)\n"
    "Q_DECLARE_METATYPE(BangerReconciledList)\n"
    "typedef QList<BangerFile> BangerFileList;\n"
    "typedef QList<BangerDescriptor> BangerDescriptorList;\n"
    "typedef QList<BangerMachine> BangerMachineList;\n"
    "Q_DECLARE_METATYPE(BangerFile)\n"
    "Q_DECLARE_METATYPE(BangerMachine)\n"
    "Q_DECLARE_METATYPE(BangerFileList)\n"
    "Q_DECLARE_METATYPE(BangerDescriptor)\n"
    "Q_DECLARE_METATYPE(BangerDescriptorList)\n"
    "Q_DECLARE_METATYPE(BangerMachineList)\n";

static char *folder;

static void
set_up(void)
{
    folder = g_dir_make_tmp("banger-clients-XXXXXX", NULL);
    ck_assert_ptr_nonnull(folder);
    ck_assert_int_eq(g_chmod(folder, 0755), 0);
}

static void
tear_down(void)
{
    g_free(image_run_words(NULL, "rm", "-r", folder));
    g_clear_pointer(&folder, g_free);
}

static void
write_file(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    ck_assert(g_file_set_contents(path, text, -1, NULL));
}

/* Whether all of the programs are there; marks the test as skipped otherwise. */
static bool
have_programs(const char *const *programs)
{
    for (; *programs != NULL; programs++) {
        g_autofree char *path = g_find_program_in_path(*programs);

        if (path == NULL) {
            g_autofree char *reason = g_strconcat("no ", *programs, " here", NULL);

            harness_skip(reason);
            return false;
        }
    }
    return true;
}

/* Runs @command, a line of a shell, in the folder. */
static char *
run_in_folder(const char *command)
{
    g_autofree char *line =
        g_strdup_printf("set -e; cd %s; export XML=%s; %s", folder, XML, command);

    return image_run_words(NULL, "sh", "-c", line);
}

START_TEST(gdbus_codegen)
{
    static const char text[] = "a line\nand one more\n";
    ImageFile file = {"/etc/read-me", text, sizeof text - 1, 0644};
    g_autofree char *image = NULL;
    g_autofree char *command = NULL;
    g_autofree char *output = NULL;

    if (!have_programs((const char *const[]){"gdbus-codegen", "cc", "pkg-config", NULL}))
        return;
    image = image_make("clients.img", 16 << 20, "");
    image_write_ok(image, &file, 1);
    write_file("client.c", gdbus_client);
    g_free(
        run_in_folder("gdbus-codegen --interface-prefix org.banger. --c-namespace Banger"
                      " --generate-c-code proxy $XML;"
                      "cc -o client client.c proxy.c $(pkg-config --cflags --libs gio-unix-2.0)"));
    command = g_strdup_printf("setpriv --reuid %d --regid %d --clear-groups ./client %s %s",
                              RIG_UID_OWNER, RIG_UID_OWNER, image, file.path);
    output = run_in_folder(command);
    ck_assert_str_eq(output, text);
    ck_assert_int_eq(g_unlink(image), 0);
}
END_TEST

START_TEST(qdbusxml2cpp)
{
    if (!have_programs((const char *const[]){"qdbusxml2cpp", "c++", "pkg-config", NULL}))
        return;
    write_file("types.h", qt_types);
    g_free(run_in_folder("qdbusxml2cpp -N -i types.h -p proxy.h: $XML; qdbusxml2cpp -N -i types.h"
                         " -p :proxy.cpp -i proxy.h $XML;"
                         "c++ -fPIC -c -o proxy.o proxy.cpp $(pkg-config --cflags Qt5DBus)"));
}
END_TEST

/*
 * Libraries that need nothing but the helper on the bus, or its XML. Each program writes the file
 * argv[2] with TEXT into the image argv[1], reads it, prints it, and then the property Version;
 * that a path is not there is the D-Bus error NotFound to it.
 */
#define TEXT "a line\nand one more\n"
#define ESCAPED_TEXT "a line\\nand one more\\n"
#define PYTHON_TEXT "b'" ESCAPED_TEXT "'"
#define GO_PATH "/usr/share/gocode"

static const char dbus_python[] =
    "import dbus, sys\n"
    "image, path = sys.argv[1:]\n"
    "proxy = dbus.SystemBus().get_object('org.banger.Helper1', '/org/banger/Helper1')\n"
    "helper = dbus.Interface(proxy, 'org.banger.Helper1')\n"
    "helper.WriteExt4Files(image, [(path, " PYTHON_TEXT ", 0o644)], '')\n"
    "sys.stdout.buffer.write(bytes(helper.ReadExt4File(image, path, '')))\n"
    "print(proxy.Get('org.banger.Helper1', 'Version',\n"
    "                dbus_interface='org.freedesktop.DBus.Properties'))\n"
    "try:\n"
    "    helper.ReadExt4File(image, '/no/such/file', '')\n"
    "except dbus.DBusException as error:\n"
    "    print(error.get_dbus_name())\n";

static const char dasbus[] =
    "import sys\n"
    "from dasbus.connection import SystemMessageBus\n"
    "from dasbus.error import DBusError\n"
    "image, path = sys.argv[1:]\n"
    "helper = SystemMessageBus().get_proxy('org.banger.Helper1', '/org/banger/Helper1')\n"
    "helper.WriteExt4Files(image, [(path, " PYTHON_TEXT ", 0o644)], '')\n"
    "sys.stdout.buffer.write(bytes(helper.ReadExt4File(image, path, '')))\n"
    "print(helper.Version)\n"
    "try:\n"
    "    helper.ReadExt4File(image, '/no/such/file', '')\n"
    "except DBusError as error:\n"
    "    print(error.dbus_name)\n";

static const char gjs[] =
    "const {Gio, GLib} = imports.gi;\n"
    "const decode = bytes => new TextDecoder().decode(bytes);\n"
    "const [image, path] = ARGV;\n"
    "const xml = decode(GLib.file_get_contents(GLib.getenv('XML'))[1]);\n"
    "const Helper = Gio.DBusProxy.makeProxyWrapper(xml);\n"
    "const helper = new Helper(Gio.DBus.system, 'org.banger.Helper1', '/org/banger/Helper1');\n"
    "const text = new TextEncoder().encode('" ESCAPED_TEXT "');\n"
    "helper.WriteExt4FilesSync(image, [[path, text, 0o644]], '');\n"
    "const [data] = helper.ReadExt4FileSync(image, path, '');\n"
    "print(decode(data) + helper.Version);\n"
    "try {\n"
    "    helper.ReadExt4FileSync(image, '/no/such/file', '');\n"
    "} catch (error) {\n"
    "    print(Gio.DBusError.get_remote_error(error));\n"
    "}\n";

static const char godbus[] =
    "package main\n"
    "import (\n"
    "    \"fmt\"\n"
    "    \"os\"\n"
    "    \"github.com/godbus/dbus\"\n"
    ")\n"
    "type file struct {\n"
    "    Path string\n"
    "    Data []byte\n"
    "    Mode uint32\n"
    "}\n"
    "func check(err error) {\n"
    "    if err != nil {\n"
    "        panic(err)\n"
    "    }\n"
    "}\n"
    "func main() {\n"
    "    const name = \"org.banger.Helper1\"\n"
    "    image, path := os.Args[1], os.Args[2]\n"
    "    bus, err := dbus.SystemBus()\n"
    "    check(err)\n"
    "    helper := bus.Object(name, \"/org/banger/Helper1\")\n"
    "    files := []file{{path, []byte(\"" ESCAPED_TEXT "\"), 0644}}\n"
    "    check(helper.Call(name+\".WriteExt4Files\", 0, image, files, \"\").Err)\n"
    "    var data []byte\n"
    "    check(helper.Call(name+\".ReadExt4File\", 0, image, path, \"\").Store(&data))\n"
    "    version, err := helper.GetProperty(name + \".Version\")\n"
    "    check(err)\n"
    "    fmt.Printf(\"%s%s\\n\", data, version.Value())\n"
    "    err = helper.Call(name+\".ReadExt4File\", 0, image, \"/no/such/file\", \"\").Err\n"
    "    fmt.Println(err.(dbus.Error).Name)\n"
    "}\n";

static const char sdbus_cpp[] =
    "#include <iostream>\n"
    "#include <sdbus-c++/sdbus-c++.h>\n"
    "#ifdef SDBUS_2\n"
    "#define NAME(name) sdbus::ServiceName{name}\n"
    "#define PATH(path) sdbus::ObjectPath{path}\n"
    "#else\n"
    "#define NAME(name) name\n"
    "#define PATH(path) path\n"
    "#endif\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "    using File = sdbus::Struct<std::string, std::vector<uint8_t>, uint32_t>;\n"
    "    const std::string name{\"org.banger.Helper1\"}, text{\"" ESCAPED_TEXT "\"}, op_id;\n"
    "    const std::string image{argv[1]}, path{argv[argc - 1]};\n"
    "    auto helper = sdbus::createProxy(sdbus::createSystemBusConnection(), NAME(name),\n"
    "                                     PATH(\"/org/banger/Helper1\"));\n"
    "    const std::vector<File> files{File{path, {text.begin(), text.end()}, 0644}};\n"
    "    std::vector<uint8_t> data;\n"
    "    helper->callMethod(\"WriteExt4Files\").onInterface(name).withArguments(image, files, "
    "op_id);\n"
    "    helper->callMethod(\"ReadExt4File\").onInterface(name).withArguments(image, path, op_id)\n"
    "        .storeResultsTo(data);\n"
    "    std::cout << std::string(data.begin(), data.end());\n"
    "    std::cout << helper->getProperty(\"Version\").onInterface(name).get<std::string>()\n"
    "              << std::endl;\n"
    "    try {\n"
    "        helper->callMethod(\"ReadExt4File\").onInterface(name)\n"
    "            .withArguments(image, std::string{\"/no/such/file\"}, "
    "op_id).storeResultsTo(data);\n"
    "    } catch (const sdbus::Error &error) {\n"
    "        std::cout << error.getName() << std::endl;\n"
    "    }\n"
    "    return 0;\n"
    "}\n";

/* How to see whether the library is here, how to make the program, and how to run it. */
static const struct {
    const char *library, *test, *file, *source, *make, *run;
} libraries[] = {
    {"dbus-python", "python3 -c 'import dbus'", "client.py", dbus_python, "", "python3 client.py"},
    {"dasbus", "python3 -c 'import dasbus'", "client.py", dasbus, "", "python3 client.py"},
    {"GJS", "command -v gjs", "client.js", gjs, "", "gjs client.js"},
    {"godbus", "command -v go && test -d " GO_PATH "/src/github.com/godbus/dbus", "client.go",
     godbus,
     "if [ -e " GO_PATH
     "/src/github.com/godbus/dbus/v5/auth.go ]; then sed -i 's,godbus/dbus\",godbus/dbus/v5\",' "
     "client.go; fi; GO111MODULE=off GOFLAGS= GOPATH=" GO_PATH
     " GOCACHE=$PWD/cache go build -o client client.go",
     "./client"},
    {"sdbus-c++", "command -v c++ && pkg-config --exists sdbus-c++", "client.cpp", sdbus_cpp,
     "pkg-config --atleast-version=2 sdbus-c++ && more=-DSDBUS_2; c++ -std=c++20 $more -o client "
     "client.cpp $(pkg-config --cflags --libs sdbus-c++)",
     "./client"},
};

/* Whether the @command of a shell ends with 0. */
static bool
succeeds(const char *command)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    int status;

    return g_spawn_sync(NULL, (char **)argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                            G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
           g_spawn_check_wait_status(status, NULL);
}

START_TEST(library)
{
    static const char path[] = "/etc/by-library";
    g_autofree char *image = NULL;
    g_autofree char *command = NULL;
    g_autofree char *output = NULL;

    if (!succeeds(libraries[_i].test)) {
        g_autofree char *reason = g_strconcat("no ", libraries[_i].library, " here", NULL);

        harness_skip(reason);
        return;
    }
    image = image_make("clients.img", 16 << 20, "");
    write_file(libraries[_i].file, libraries[_i].source);
    g_free(run_in_folder(libraries[_i].make));
    command = g_strdup_printf("HOME=$PWD setpriv --reuid %d --regid %d --clear-groups %s %s %s",
                              RIG_UID_OWNER, RIG_UID_OWNER, libraries[_i].run, image, path);
    output = run_in_folder(command);
    ck_assert_str_eq(output, TEXT PACKAGE_VERSION "\n" RIG_ERROR("NotFound") "\n");
    ck_assert_int_eq(g_unlink(image), 0);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/clients", argv, NULL);
    suite = suite_create("clients");
    tcase = tcase_create("clients");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, gdbus_codegen);
    tcase_add_test(tcase, qdbusxml2cpp);
    tcase_add_loop_test(tcase, library, 0, G_N_ELEMENTS(libraries));
    suite_add_tcase(suite, tcase);
    return harness_run("bus/clients", suite);
}
