import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hadoop.hive.metastore.HiveMetaStore;
import org.apache.hadoop.hive.metastore.IHMSHandler;
import org.apache.hadoop.hive.metastore.RetryingHMSHandler;
import org.apache.hadoop.hive.metastore.TSetIpAddressProcessor;
import org.apache.hadoop.hive.metastore.txn.TxnDbUtil;
import org.apache.thrift.server.TServer;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.transport.TServerSocket;

/**
 * Hive's metastore, out of what Spark has of it, on loopback: LoopbackMetastore PORT FOLDER WAREHOUSE. What it keeps is
 * in the folder. Prints its URL, and ends with its standard input.
 */
public class LoopbackMetastore {
  /** The metastore makes folders for databases and tables. S3 has none: they are made here. */
  public static class Folders extends RawLocalFileSystem {
    private URI uri;

    @Override
    public void initialize(URI uri, Configuration configuration) throws IOException {
      this.uri = URI.create(uri.getScheme() + "://" + uri.getAuthority());
      super.initialize(uri, configuration);
    }

    @Override
    public URI getUri() {
      return uri == null ? super.getUri() : uri;
    }

    @Override
    protected void checkPath(Path path) {}

    @Override
    public File pathToFile(Path path) {
      return new File(System.getProperty("folders"), path.toUri().getPath());
    }
  }

  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]);
    File folder = new File(arguments[1]);
    File folders = new File(folder, "folders");
    folders.mkdir();
    System.setProperty("folders", folders.getPath());
    System.setProperty("derby.stream.error.file", new File(folder, "derby.log").getPath());
    // The metastore makes more configurations than this one, and all of them read system properties.
    System.setProperty("javax.jdo.option.ConnectionURL", "jdbc:derby:" + new File(folder, "database") + ";create=true");
    System.setProperty("hive.metastore.warehouse.dir", arguments[2]);
    System.setProperty("hive.metastore.schema.verification", "false");
    System.setProperty("hive.metastore.disallow.incompatible.col.type.changes", "false");
    System.setProperty("datanucleus.schema.autoCreateAll", "true");
    System.setProperty("datanucleus.connectionPoolingType", "DBCP");
    HiveConf conf = new HiveConf(LoopbackMetastore.class);
    for (String scheme : new String[] {"s3", "s3a"}) {
      conf.setClass("fs." + scheme + ".impl", Folders.class, FileSystem.class);
    }
    TxnDbUtil.prepDb(conf); // the tables of its locks

    IHMSHandler handler =
        RetryingHMSHandler.getProxy(conf, new HiveMetaStore.HMSHandler("metastore", conf), false);
    TServer server =
        new TThreadPoolServer(
            new TThreadPoolServer.Args(new TServerSocket(new InetSocketAddress("127.0.0.1", port)))
                .processor(new TSetIpAddressProcessor<>(handler))
                .minWorkerThreads(4)
                .maxWorkerThreads(64));
    Thread serving = new Thread(server::serve);
    serving.setDaemon(true);
    serving.start();
    System.out.println("thrift://127.0.0.1:" + port);
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
